import { execFileSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { closeSync, ftruncateSync, futimesSync, mkdirSync, openSync, statSync, writeFileSync, writeSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { check } from '../../../actors/unpack/check/check.ts'
import { defaultLimits } from '../../../actors/unpack/limits.ts'
import * as tar from '../../support/layers.ts'
import { listing } from '../../support/listing.ts'
import { ground, whole } from './applying.ts'

const { archive, file } = tar
const kilo = (letter: string): string => letter.repeat(1024)
/** A hole, a kilobyte, a hole, another kilobyte, a hole. */
const contents = Buffer.concat([
  Buffer.alloc(4096),
  Buffer.from(kilo('a')),
  Buffer.alloc(8192),
  Buffer.from(kilo('b')),
  Buffer.alloc(1 << 20),
])
const stored = kilo('a') + kilo('b')
const map = [4096, 1024, 13312, 1024, contents.length, 0]

/** The header of GNU's own, with a map of its own. */
function old(name: string, content: string, numbers: readonly number[], size: number, more: readonly (readonly number[])[] = []): Buffer {
  const put = (block: Buffer, at: number, of: readonly number[]): void => {
    for (const [index, number] of of.entries()) block.write(`${number.toString(8).padStart(11, '0')}\0`, at + index * 12, 'latin1')
  }
  const header = tar.header({ type: 'S', name, target: '', size: content.length, magic: 'gnu' })
  put(header, 386, numbers)
  put(header, 483, [size])
  if (more.length > 0) header[482] = 1
  const blocks = more.map((of, index) => {
    const block = Buffer.alloc(512)
    put(block, 0, of)
    if (index < more.length - 1) block[504] = 1
    return block
  })
  return Buffer.concat([tar.summed(header), ...blocks, Buffer.from(content), Buffer.alloc((512 - (content.length % 512)) % 512)])
}

const pairs = (of: readonly number[]): string => of.join(',')
/** The records of version 0.0 repeat their keys. */
function repeated(of: readonly number[]): Buffer {
  const text = of.map((number, index) => tar.paxRecord(index % 2 === 0 ? 'GNU.sparse.offset' : 'GNU.sparse.numbytes', String(number)))
  const bytes = Buffer.concat([tar.paxRecord('GNU.sparse.size', String(contents.length)), ...text])
  return tar.ofType('x', 'pax', bytes.toString('latin1'))
}
const block = (text: string): string => text.padEnd(Math.ceil(text.length / 512) * 512, '\0')
const inner = (of: readonly number[]): string => block(`${of.length / 2}\n${of.map((number) => `${number}\n`).join('')}`)
const version1 = {
  'GNU.sparse.major': '1',
  'GNU.sparse.minor': '0',
  'GNU.sparse.name': 'f',
  'GNU.sparse.realsize': String(contents.length),
}
const version01 = { 'GNU.sparse.size': String(contents.length), 'GNU.sparse.numblocks': '3', 'GNU.sparse.name': 'f' }

describe('files stored without their holes', () => {
  test.each<[string, Buffer]>([
    ['the old way of GNU', old('f', stored, map, contents.length)],
    ['the old way of GNU, the map in more blocks', old('f', stored, map.slice(0, 2), contents.length, [map.slice(2, 4), map.slice(4)])],
    ['version 0.0 of PAX', Buffer.concat([repeated(map), file('f', stored)])],
    ['version 0.1 of PAX', file('GNUSparseFile.1/f', stored, { pax: { ...version01, path: 'other', 'GNU.sparse.map': pairs(map) } })],
    ['version 1.0 of PAX', file('GNUSparseFile.1/f', inner(map) + stored, { pax: version1 })],
  ])('are whole again: %s', async (_, layer) => {
    using at = ground()
    const { entries, written } = await at.apply(archive(layer, file('after', 'x')))
    expect(listing(at.root)['f']).toMatchObject({ content: expect.stringMatching(/^1062912 bytes/) })
    expect(Object.keys(listing(at.root))).toEqual(['after', 'f'])
    expect({ entries, written }).toEqual({ entries: 2, written: 2049 })
    writeFileSync(join(at.base, 'whole'), contents)
    execFileSync('cmp', [join(at.base, 'whole'), join(at.root, 'f')])
    expect(statSync(join(at.root, 'f')).blocks * 512).toBeLessThan(100_000)
  })

  test('a map of hundreds of segments, in blocks that come in pieces', async () => {
    const of = Array.from({ length: 300 }, (_, index) => [index * 8192, 512]).flat()
    const content = Array.from({ length: 300 }, (_, index) => String(index % 10).repeat(512)).join('')
    const size = 300 * 8192
    using at = ground()
    const blocks = Array.from({ length: 15 }, (_, index) => of.slice(8 + index * 42, 8 + (index + 1) * 42)).filter(
      ({ length }) => length > 0,
    )
    await at.apply(archive(old('old', content, of.slice(0, 8), size, blocks)))
    const pax = { ...version1, 'GNU.sparse.name': 'new', 'GNU.sparse.realsize': String(size) }
    await at.apply(archive(file('x', inner(of) + content, { pax })))
    const listed = listing(at.root)
    expect(listed['old']?.content).toBe(listed['new']?.content)
    expect(listed['old']?.content).toMatch(/^2457600 bytes/)
  })

  test('one that is nothing but a hole, however long', async () => {
    using at = ground()
    const size = 2 ** 33 + 5
    const pax = { 'GNU.sparse.size': String(size), 'GNU.sparse.map': `${size},0` }
    await at.apply(archive(file('pax', '', { pax }), old('old', '', [size, 0], size), file('after', 'x')))
    for (const name of ['pax', 'old']) {
      const { size: found, blocks } = statSync(join(at.root, name))
      expect({ found, blocks }).toEqual({ found: size, blocks: 0 })
    }
  })

  test('data behind 8 GiB of hole is where it belongs', async () => {
    using at = ground()
    const offset = 2 ** 33
    const pax = { 'GNU.sparse.size': String(offset + 3), 'GNU.sparse.map': `${offset},3` }
    await at.apply(archive(file('f', 'end', { pax })))
    expect(execFileSync('tail', ['-c', '5', join(at.root, 'f')]).toString('latin1')).toBe('\0\0end')
  })

  test('what was written into a hole is damage', async () => {
    using at = ground()
    const size = 2 ** 28
    const pax = { 'GNU.sparse.size': String(size), 'GNU.sparse.map': `4096,3,${2 ** 27},3,${size},0` }
    const layer = archive(file('f', 'onetwo', { pax }))
    await at.apply(layer)
    const blob = join(at.base, 'layer')
    writeFileSync(blob, layer)
    const digest = `sha256:${createHash('sha256').update(layer).digest('hex')}`
    const damaged = async (): Promise<unknown> => {
      const checking = { growth: whole(blob, layer.length), size: layer.length, digest, path: at.root, whiteouts: 'remove' as const }
      return (await check(checking, { signal: new AbortController().signal })).damaged
    }
    expect(await damaged()).toEqual([])
    for (const offset of [0, 4097, 2 ** 27 + 3, size - 1]) {
      await at.apply(archive(file('f', 'onetwo', { pax })))
      const fd = openSync(join(at.root, 'f'), 'r+')
      writeSync(fd, 'x', offset)
      futimesSync(fd, 1_000_000, 1_000_000)
      closeSync(fd)
      expect(await damaged()).toEqual([{ path: 'f', why: 'other contents' }])
    }
  })

  test.each(['gnu', 'posix 0.0', 'posix 0.1', 'posix 1.0'])('as GNU tar writes them: %s', async (way) => {
    using at = ground()
    const from = join(at.base, 'from')
    mkdirSync(from)
    const fd = openSync(join(from, 'f'), 'w')
    for (let index = 0; index < 40; index++) writeSync(fd, kilo('x'), index * 65536 + 4096)
    ftruncateSync(fd, 4_000_001)
    closeSync(fd)
    writeFileSync(join(from, 'g'), kilo('g'))
    const [format = '', version] = way.split(' ')
    const told = [`--format=${format}`, '--sparse', ...(version === undefined ? [] : [`--sparse-version=${version}`])]
    const bytes = execFileSync('tar', ['-c', ...told, '-C', from, '.'], { maxBuffer: 1 << 28 })
    expect(bytes.length).toBeLessThan(500_000)
    await at.apply(bytes)
    const whenever = (of: string): unknown => Object.entries(listing(of)).map(([name, { mtime, ...rest }]) => [name, rest])
    expect(whenever(at.root)).toEqual(whenever(from))
  })

  test.each<[string, Buffer, RegExp]>([
    ['goes back', old('f', stored, [4096, 1024, 2048, 1024], contents.length), /"f".*not in order|not in order.*"f"/],
    ['goes beyond the end', old('f', stored, [4096, 1024, contents.length, 1024], contents.length), /not in order/],
    ['tells of more than is stored', old('f', stored, [0, 2048, 4096, 1024], contents.length), /3072 bytes, 2048 are stored/],
    ['tells of less than is stored', old('f', stored, [0, 1024], contents.length), /1024 bytes, 2048 are stored/],
    ['is no number', tar.summed(Buffer.from(old('f', stored, map, 9).fill('9', 386, 397))), /malformed/],
    ['is not in pairs', file('f', stored, { pax: { ...version01, 'GNU.sparse.map': '1,2,3' } }), /not whole/],
    ['is no list', file('f', stored, { pax: { ...version01, 'GNU.sparse.map': '1,x' } }), /not a number/],
    ['tells of no size', file('f', stored, { pax: { 'GNU.sparse.map': '0,2048' } }), /not whole/],
    ['is of a version nobody knows', file('f', stored, { pax: { ...version1, 'GNU.sparse.major': '2' } }), /a way nobody knows/],
    ['is longer than what is stored', file('f', block('900\n1\n'), { pax: version1 }), /longer than what is stored/],
    ['is of a directory', tar.directory('f', { pax: version01 }), /no file/],
    ['is in a header of nobody', tar.ofType('S', 'f'), /a way nobody knows/],
  ])('a map that %s is data_loss', async (_, layer, message) => {
    using at = ground()
    await expect(at.apply(archive(layer))).rejects.toMatchObject({ code: 'data_loss', message: expect.stringMatching(message) })
    await expect(at.apply(archive(file('before'), layer))).rejects.toThrow(/"f"|after "before"/)
  })

  test('more hole than a layer may have, and a map without end, are resource_exhausted', async () => {
    using at = ground()
    const limits = { ...defaultLimits, inflated: 1 << 20, extended: 4096 }
    const pax = { 'GNU.sparse.size': '700000', 'GNU.sparse.map': '700000,0' }
    await expect(at.apply(archive(file('a', '', { pax }), file('b', '', { pax })), {}, { limits })).rejects.toMatchObject({
      code: 'resource_exhausted',
      message: expect.stringContaining('"b"'),
    })
    const endless = file('f', inner(Array.from({ length: 2000 }, (_, index) => index)), { pax: version1 })
    await expect(at.apply(archive(endless), {}, { limits })).rejects.toMatchObject({ code: 'resource_exhausted' })
  })
})
