import { execFileSync } from 'node:child_process'
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { gunzipSync } from 'node:zlib'
import { describe, expect, test } from 'vitest'
import { makeImage, makeLayer, writeLayout } from '../../../ops/lab/images.ts'
import { mountAll } from '../../../runtime/mounts.ts'
import * as tar from '../../support/layers.ts'
import { type Listed, listing } from '../../support/listing.ts'
import { ground, isRoot } from './applying.ts'
import { has } from './judging.ts'

const { archive, directory, file, link, symlink } = tar
const capability = Buffer.from('0100000200200000000000000000000000000000', 'hex')

/** Three layers with everything an image may hold, every directory described. */
const layers = [
  archive(
    directory('bin', { mtime: 1 }),
    file('bin/sh', 'x'.repeat(200_000), { mode: 0o755, mtime: 2 }),
    link('bin/sh', 'bin/ash'),
    file('bin/su', 'su', { mode: 0o4755, uid: 0, gid: 42 }),
    file('bin/ping', 'ping', { mode: 0o755, pax: { 'SCHILY.xattr.security.capability': capability } }),
    symlink('bin', 'sbin', { mtime: 3 }),
    symlink('/no/where', 'dead'),
    directory('tmp', { mode: 0o1777 }),
    directory('var', { mode: 0o2775, gid: 50 }),
    file('var/inherits', ''),
    directory('var/cache'),
    file('var/cache/one', '1'),
    file('var/cache/two', '2', { pax: { mtime: '1700000000.123456789' } }),
    file('', 'long', { pax: { path: `var/${'n'.repeat(200)}`, uid: '2000000000' } }),
    directory('old'),
    directory('old/deep'),
    file('old/deep/file', ''),
    tar.character('null', 1, 3, { mode: 0o666 }),
    tar.fifo('pipe', { mode: 0o600, uid: 7 }),
    file('caf\xe9', 'latin1'),
    file('attributes', '', { pax: { 'SCHILY.xattr.user.any': Buffer.from([0, 255, 10]) } }),
  ),
  archive(
    directory('bin', { mtime: 9, mode: 0o700 }),
    file('bin/.wh.su'),
    file('.wh.old'),
    directory('var', { mode: 0o755 }),
    directory('var/cache', { mtime: 8 }),
    file('var/cache/.wh..wh..opq'),
    file('var/cache/three', '3'),
    file('dead', 'now a file'),
  ),
  archive(directory('old', { mode: 0o711 }), file('old/again', ''), symlink('bin', 'null'), directory('sbin'), file('sbin/own', '')),
]

describe.runIf(isRoot && has('umoci'))('umoci and we make the same of an image', () => {
  const expected = async (base: string): Promise<Record<string, Listed>> => {
    const image = await makeImage({ layers: await Promise.all(layers.map((bytes) => makeLayer({ tar: bytes }))) })
    const layout = join(base, 'layout')
    mkdirSync(layout)
    await writeLayout(layout, 'latest', image)
    execFileSync('umoci', ['raw', 'unpack', '--image', `${layout}:latest`, join(base, 'umoci')], { stdio: 'pipe' })
    return listing(join(base, 'umoci'))
  }

  test('layer upon layer, deletions carried out', async () => {
    using at = ground()
    for (const bytes of layers) await at.apply(bytes)
    expect(listing(at.root)).toEqual(await expected(at.base))
  })

  test('each layer by itself, seen through overlayfs', async () => {
    using at = ground()
    const uppers = layers.map((_, index) => join(at.base, `upper-${index}`))
    for (const [index, path] of uppers.entries()) {
      mkdirSync(path)
      const { implied } = await at.apply(layers[index] as Buffer, { path, whiteouts: 'overlay' })
      expect(implied).toEqual(['.'])
    }
    const options = [`lowerdir=${uppers.toReversed().join(':')}`]
    await using _ = await mountAll([{ type: 'overlay', source: 'overlay', options }], at.root)
    expect(listing(at.root)).toEqual(await expected(at.base))
  })
})

describe.runIf(isRoot)('GNU tar and we', () => {
  const told = ['--xattrs', '--xattrs-include=*', '--numeric-owner', '-xpf']

  test('make the same of an archive', async () => {
    using at = ground()
    const [bytes] = layers as [Buffer]
    await at.apply(bytes)
    const judged = join(at.base, 'judged')
    mkdirSync(judged)
    writeFileSync(join(at.base, 'archive'), bytes)
    execFileSync('tar', [...told, join(at.base, 'archive'), '-C', judged])
    expect(listing(at.root)).toEqual(listing(judged))
  })

  test('make the same of an archive tar made, in each of its formats', async () => {
    using at = ground()
    await at.apply(layers[0] as Buffer, { path: mkdir(at.base, 'first') })
    for (const format of ['gnu', 'pax']) {
      const path = join(at.base, `${format}.tar.gz`)
      execFileSync('tar', [
        '-cz',
        `--format=${format}`,
        ...(format === 'pax' ? ['--xattrs', '--xattrs-include=*'] : []),
        '-f',
        path,
        '-C',
        join(at.base, 'first'),
        '.',
      ])
      const [judged, ours] = [mkdir(at.base, `judged-${format}`), mkdir(at.base, `ours-${format}`)]
      execFileSync('tar', ['-z', ...told, path, '-C', judged])
      await at.apply(gunzipSync(execFileSync('cat', [path])), { path: ours })
      expect(listing(ours)).toEqual(listing(judged))
    }
  })
})

function mkdir(base: string, name: string): string {
  const path = join(base, name)
  mkdirSync(path)
  return path
}
