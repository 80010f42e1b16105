import { execFileSync } from 'node:child_process'
import { chmodSync, chownSync, mkdirSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import type { Outcome } from '../../../actors/unpack/apply.ts'
import type { Verdict } from '../../../actors/unpack/check/check.ts'
import * as tar from '../../support/layers.ts'
import { listing } from '../../support/listing.ts'
import { type Ground, ground, isRoot } from './applying.ts'

const { archive, directory, file, link, symlink } = tar
const nobody = 65534
const capability = Buffer.from('0100000200200000000000000000000000000000', 'hex')
const mine = { uid: nobody, gid: nobody }
const program = new URL('apply-process.ts', import.meta.url).pathname
const asUser = { uid: nobody, gid: nobody, maxBuffer: 1 << 24 }

interface Place extends Ground {
  applied(layer: Buffer, whiteouts?: string): Outcome
  checked(layer: Buffer, whiteouts?: string): Verdict
}

/** A place that is nobody's, and who applies there: an ordinary user, or one who is root in a namespace of his own. */
function place(through: readonly string[] = []): Place {
  const at = ground()
  chmodSync(at.base, 0o755)
  chownSync(at.root, nobody, nobody)
  let blobs = 0
  const run = (what: string, layer: Buffer, whiteouts: string): unknown => {
    const blob = join(at.base, `layer-${blobs++}`)
    writeFileSync(blob, layer)
    const words = [...through, process.execPath, '--disable-warning=ExperimentalWarning', program, what, blob, at.root, whiteouts]
    const [command = '', ...rest] = words
    return JSON.parse(execFileSync(command, rest, asUser).toString())
  }
  return {
    ...at,
    applied: (layer, whiteouts = 'remove') => run('apply', layer, whiteouts) as Outcome,
    checked: (layer, whiteouts = 'remove') => run('check', layer, whiteouts) as Verdict,
  }
}

const rich = archive(
  directory('.', { ...mine, mode: 0o555, mtime: 11 }),
  directory('shut', { ...mine, mode: 0, mtime: 12 }),
  directory('shut/deep', { ...mine, mode: 0o500, mtime: 13 }),
  file('shut/deep/file', 'within', { ...mine, mode: 0, mtime: 14 }),
  directory('usr', { mode: 0o755, mtime: 15 }),
  file('usr/su', 'su', { mode: 0o4755 }),
  file('usr/own', 'own', { ...mine, mode: 0o6755 }),
  file('usr/readonly', 'ro', { ...mine, mode: 0o444, pax: { 'SCHILY.xattr.user.any': 'kept' } }),
  file('usr/ping', 'ping', { ...mine, pax: { 'SCHILY.xattr.security.capability': capability, 'SCHILY.xattr.trusted.t': 't' } }),
  file('usr/other', 'other', { uid: 5, gid: 6 }),
  file('usr/another', 'another', { uid: 5, gid: 6 }),
  link('usr/other', 'usr/linked'),
  symlink('/nowhere', 'usr/sym', mine),
  tar.fifo('usr/pipe', { ...mine, mode: 0o620 }),
  tar.character('null', 1, 3),
  tar.block('disk', 8, 0),
)

describe.runIf(isRoot)('an ordinary user', () => {
  test('has every file whole, and is told what is not as the layer says', () => {
    using at = place()
    const { entries, notKept } = at.applied(rich)
    expect(entries).toBe(16)
    const { mode, mtimeMs } = statSync(at.root)
    expect({ mode, mtimeMs }).toEqual({ mode: 0o40555, mtimeMs: 11_000 })
    const owner = `${nobody}:${nobody}`
    const listed = listing(at.root)
    expect(listed).toMatchObject({
      shut: { mode: '0', mtime: '12.000000000', owner },
      'shut/deep': { mode: '500', mtime: '13.000000000' },
      'shut/deep/file': { content: 'within', mode: '0', mtime: '14.000000000', owner },
      usr: { mode: '755', mtime: '15.000000000', owner },
      'usr/su': { content: 'su', mode: '755', owner },
      'usr/own': { content: 'own', mode: '6755', owner },
      'usr/readonly': { content: 'ro', mode: '444', xattrs: { 'user.any': 'kept' } },
      'usr/ping': { content: 'ping' },
      'usr/other': { content: 'other', owner },
      'usr/linked': { content: 'other' },
      'usr/sym': { target: '/nowhere' },
      'usr/pipe': { kind: 'fifo', mode: '620' },
    })
    expect(Object.keys(listed)).not.toContain('null')
    expect(notKept).toEqual([
      '"usr": owner 0:0, here and wherever it is the same',
      '"usr/su": setuid or setgid of mode 4755, its owner being another',
      `"usr/ping": attribute "security.capability", which cannot be kept here`,
      `"usr/ping": attribute "trusted.t", which is the host's to set`,
      '"usr/other": owner 5:6, here and wherever it is the same',
      '"null": character device 1:3, which only root makes',
      '"disk": block device 8:0, which only root makes',
    ])
  })

  test('may change what an earlier layer shut, and it is shut again', () => {
    using at = place()
    at.applied(rich)
    const { notKept } = at.applied(
      archive(file('shut/deep/file', 'new', { ...mine, mode: 0o400 }), file('shut/deep/more', '', mine), file('.wh.usr')),
    )
    expect(notKept).toEqual([])
    expect(listing(at.root)).toMatchObject({
      shut: { mode: '0', mtime: '12.000000000' },
      'shut/deep': { mode: '500', mtime: '13.000000000' },
      'shut/deep/file': { content: 'new', mode: '400' },
      'shut/deep/more': { content: '' },
    })
    expect(statSync(at.root).mode).toBe(0o40555)
    at.applied(archive(file('.wh..wh..opq')))
    expect(listing(at.root)).toEqual({})
  })

  test('may remove a tree he may not look into, and make a file in its place', () => {
    using at = place()
    at.applied(rich)
    expect(at.applied(archive(file('shut', 'now a file', mine))).notKept).toEqual([])
    expect(listing(at.root)['shut']).toMatchObject({ content: 'now a file' })
  })

  test('is not told that damaged is what he could not have', () => {
    using at = place()
    at.applied(readable)
    expect(at.checked(readable)).toMatchObject({ differing: 0 })
    chmodSync(join(at.root, 'usr/su'), 0o777)
    chmodSync(join(at.root, 'usr/ping'), 0o6644)
    expect(at.checked(readable).damaged).toEqual([
      { path: 'usr/ping', why: 'mode 6644 in place of 644' },
      { path: 'usr/su', why: 'mode 777 in place of 4755' },
    ])
  })

  test('gets a failure that says what, where he may not write at all', () => {
    using at = place()
    chownSync(at.root, 0, 0)
    expect(at.applied(rich)).toMatchObject({ code: 'permission_denied' })
    expect(listing(at.root)).toEqual({})
  })
})

const readable = archive(
  directory('usr'),
  file('usr/su', 'su', { mode: 0o4755 }),
  file('usr/ping', 'ping', { pax: { 'SCHILY.xattr.security.capability': capability } }),
  tar.character('null', 1, 3),
)

const namespaced = ['unshare', '--map-root-user', '--user']

describe.runIf(isRoot)('root of a user namespace', () => {
  test('keeps capabilities besides, and owners he has', () => {
    using at = place(namespaced)
    const { entries, notKept } = at.applied(rich)
    expect(entries).toBe(16)
    const listed = listing(at.root)
    expect(listed).toMatchObject({
      shut: { mode: '0', mtime: '12.000000000' },
      'shut/deep/file': { content: 'within', mode: '0' },
      'usr/su': { mode: '4755', owner: `${nobody}:${nobody}` },
      'usr/own': { mode: '755' },
      'usr/ping': { xattrs: { 'security.capability': expect.any(String) } },
    })
    expect(notKept).toEqual([
      `".": owner ${nobody}:${nobody}, here and wherever it is the same`,
      '"usr/own": setuid or setgid of mode 6755, its owner being another',
      `"usr/ping": attribute "trusted.t", which is the host's to set`,
      '"usr/other": owner 5:6, here and wherever it is the same',
      '"null": character device 1:3, which only root makes',
      '"disk": block device 8:0, which only root makes',
    ])
  })

  test('marks deletions so that his own overlayfs reads them', () => {
    using at = place(namespaced)
    const lower = join(at.base, 'lower')
    mkdirSync(lower)
    chownSync(lower, nobody, nobody)
    const first = archive(directory('a'), file('a/gone', 'x'), file('a/kept', 'x'), directory('b'), file('b/hidden', 'x'))
    execFileSync(process.execPath, [program, 'apply', written(at, first), lower, 'overlay'], asUser)
    at.applied(archive(directory('a'), file('a/.wh.gone'), directory('b'), file('b/.wh..wh..opq'), file('b/new', '')), 'overlay')
    const view = join(at.base, 'view')
    mkdirSync(view)
    const script = `mount -t overlay overlay -o userxattr,lowerdir=${at.root}:${lower} ${view} && cd ${view} && find . | sort`
    const found = execFileSync('unshare', ['--map-root-user', '--user', '--mount', 'sh', '-c', script], asUser).toString()
    expect(found.trim().split('\n')).toEqual(['.', './a', './a/kept', './b', './b/new'])
  })
})

function written(at: Ground, layer: Buffer): string {
  const path = join(at.base, 'first')
  writeFileSync(path, layer)
  return path
}
