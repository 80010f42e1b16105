import { createHash } from 'node:crypto'
import { appendFileSync, readdirSync, renameSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { gzipSync, zstdCompressSync } from 'node:zlib'
import { describe, expect, test } from 'vitest'
import { apply } from '../../../actors/unpack/apply.ts'
import { defaultLimits } from '../../../actors/unpack/limits.ts'
import type { Growth } from '../../../actors/unpack/source.ts'
import { archive, directory, file } from '../../support/layers.ts'
import { listing } from '../../support/listing.ts'
import { ground } from './applying.ts'

const layer = archive(directory('a'), file('a/b', 'x'.repeat(100_000)), file('c', 'd'))
const digestOf = (bytes: Buffer): string => `sha256:${createHash('sha256').update(bytes).digest('hex')}`
const expected = { diffId: digestOf(layer), size: layer.length, entries: 3, written: 100_001, implied: [] }
const names = ['a', 'a/b', 'c']
const openFiles = (): string[] => readdirSync('/proc/self/fd')
/** A frame decoders pass over. */
const skippable = Buffer.concat([Buffer.from('502a4d1803000000', 'hex'), Buffer.from('abc')])
const random = (length: number): Buffer => Buffer.from(Array.from({ length }, (_, index) => (index * index * 31 + (index >> 3)) & 0xff))

describe('compression', () => {
  test.each<[string, Buffer]>([
    ['none', layer],
    ['gzip', gzipSync(layer)],
    ['gzip in two members', Buffer.concat([gzipSync(layer.subarray(0, 700)), gzipSync(layer.subarray(700))])],
    ['zstd', zstdCompressSync(layer)],
    ['zstd in two frames', Buffer.concat([zstdCompressSync(layer.subarray(0, 700)), zstdCompressSync(layer.subarray(700))])],
    ['zstd after a frame to be skipped', Buffer.concat([skippable, zstdCompressSync(layer)])],
  ])('is told by the bytes: %s', async (_, blob) => {
    using at = ground()
    expect(await at.apply(blob)).toMatchObject({ ...expected, offset: blob.length })
    expect(Object.keys(listing(at.root))).toEqual(names)
  })

  test('nothing at all is an empty layer', async () => {
    using at = ground()
    expect(await at.apply(Buffer.alloc(0))).toMatchObject({ diffId: digestOf(Buffer.alloc(0)), size: 0, entries: 0 })
    expect(await at.apply(gzipSync(Buffer.alloc(0)))).toMatchObject({ diffId: digestOf(Buffer.alloc(0)), size: 0 })
  })

  test.each<[string, Buffer]>([
    ['gzip cut short', gzipSync(layer).subarray(0, -20)],
    ['gzip cut in its sum', gzipSync(layer).subarray(0, -3)],
    ['gzip with a wrong sum', flipped(gzipSync(layer), -6)],
    ['gzip with a wrong byte', flipped(gzipSync(random(50_000)), 3000)],
    ['gzip of three bytes', gzipSync(layer).subarray(0, 3)],
    ['zstd cut short', zstdCompressSync(layer).subarray(0, -5)],
    ['a tar cut short', layer.subarray(0, 5000)],
    ['no archive at all', Buffer.from('hello'.repeat(300))],
  ])('%s is data_loss', async (_, blob) => {
    using at = ground()
    const before = openFiles()
    await expect(at.apply(blob)).rejects.toMatchObject({ code: 'data_loss' })
    expect(openFiles()).toEqual(before)
  })

  test('a bomb is stopped', async () => {
    using at = ground()
    const blob = gzipSync(archive(file('zeros', Buffer.alloc(8 << 20))))
    const limits = { ...defaultLimits, ratio: 50, ratioFrom: 1 << 20 }
    await expect(at.apply(blob, {}, { limits })).rejects.toMatchObject({
      code: 'resource_exhausted',
      message: expect.stringContaining('50 times'),
    })
  })
})

describe('digests', () => {
  test('what comes after the end of the archive counts', async () => {
    using at = ground()
    const bytes = Buffer.concat([layer, Buffer.alloc(9000), Buffer.from('more')])
    expect(await at.apply(gzipSync(bytes))).toMatchObject({ diffId: digestOf(bytes), size: bytes.length, entries: 3 })
  })

  test('another diffId than was said is data_loss', async () => {
    using at = ground()
    await expect(at.apply(layer, { expected: digestOf(Buffer.from('other')) })).rejects.toMatchObject({ code: 'data_loss' })
    await expect(at.apply(layer, { expected: expected.diffId })).resolves.toMatchObject(expected)
  })

  test('another size than was said is data_loss', async () => {
    using at = ground()
    await expect(at.apply(layer, { size: layer.length + 1 })).rejects.toMatchObject({
      code: 'data_loss',
      message: expect.stringContaining('were said'),
    })
    await expect(at.apply(layer, { size: layer.length - 1 })).rejects.toMatchObject({ code: 'data_loss' })
  })
})

describe('a blob that arrives', () => {
  const blob = gzipSync(archive(file('a', random(300_000)), file('b', 'x')))

  /** A blob that is told of slice by slice, each only when the one before was asked for more. */
  async function* growing(path: string, slices: number): AsyncGenerator<Growth> {
    writeFileSync(path, '')
    for (let slice = 0; slice < slices; slice++) {
      const [from, to] = [slice, slice + 1].map((at) => Math.floor((blob.length * at) / slices))
      appendFileSync(path, blob.subarray(from, to))
      yield { path, offset: to as number, complete: false }
    }
    yield { path, offset: blob.length, complete: true }
  }

  const applying = (path: string, growth: AsyncIterable<Growth>) => ({ growth, size: blob.length, path, whiteouts: 'remove' as const })
  const signal = new AbortController().signal

  test.each([1, 3, 50])('is applied in %d slices', async (slices) => {
    using at = ground()
    const progress: number[] = []
    const onProgress = ({ offset }: { offset: number }): void => void progress.push(offset)
    const outcome = await apply(applying(at.root, growing(join(at.base, 'blob'), slices)), { signal, onProgress })
    expect(outcome).toMatchObject({ entries: 2, offset: blob.length })
    expect(progress).toEqual(progress.toSorted((one, other) => one - other))
    expect(listing(at.root)).toMatchObject({ b: { content: 'x' } })
  })

  test('is applied as it comes, and over only when it is complete', async () => {
    using at = ground()
    const path = join(at.base, 'blob')
    const gate = Promise.withResolvers<void>()
    const applied = Promise.withResolvers<void>()
    async function* gated(): AsyncGenerator<Growth> {
      writeFileSync(path, blob)
      yield { path, offset: blob.length, complete: false }
      await gate.promise
      yield { path, offset: blob.length, complete: true }
    }
    let over = false
    const onProgress = ({ entries }: { entries: number }): void => void (entries === 2 && applied.resolve())
    const outcome = apply(applying(at.root, gated()), { signal, onProgress }).finally(() => (over = true))
    await applied.promise
    expect({ over, names: Object.keys(listing(at.root)) }).toEqual({ over: false, names: ['a', 'b'] })
    gate.resolve()
    await outcome
  })

  test('may be renamed meanwhile', async () => {
    using at = ground()
    const path = join(at.base, 'blob')
    async function* renamed(): AsyncGenerator<Growth> {
      writeFileSync(path, blob.subarray(0, 1000))
      yield { path, offset: 1000, complete: false }
      await new Promise((resolve) => setImmediate(() => setImmediate(resolve)))
      appendFileSync(path, blob.subarray(1000))
      renameSync(path, `${path}-committed`)
      yield { path: `${path}-committed`, offset: blob.length, complete: true }
    }
    await expect(apply(applying(at.root, renamed()), { signal })).resolves.toMatchObject({ entries: 2 })
  })

  test.each<[string, (path: string) => AsyncGenerator<Growth>, string]>([
    [
      'stops arriving',
      async function* (path) {
        yield { path, offset: 100, complete: false }
      },
      'unavailable',
    ],
    [
      'begins anew',
      async function* (path) {
        yield { path, offset: 100, complete: false }
        await new Promise((resolve) => setImmediate(() => setImmediate(resolve)))
        yield { path, offset: 50, complete: false }
      },
      'unavailable',
    ],
    [
      'is shorter than was told',
      async function* (path) {
        yield { path, offset: blob.length, complete: true }
      },
      'data_loss',
    ],
    [
      'is not there',
      async function* (path) {
        yield { path: `${path}-not`, offset: blob.length, complete: true }
      },
      'not_found',
    ],
    [
      'cannot be followed',
      // biome-ignore lint/correctness/useYield: it fails before
      async function* () {
        throw Object.assign(new Error('ENOSPC: no space left on device, write'), { code: 'ENOSPC' })
      },
      'internal',
    ],
  ])('and %s fails, with nothing left open', async (_, growth, code) => {
    using at = ground()
    const path = join(at.base, 'blob')
    writeFileSync(path, blob.subarray(0, 100))
    const before = openFiles()
    const failure = apply(applying(at.root, growth(path)), { signal })
    await (code === 'internal' ? expect(failure).rejects.toThrow() : expect(failure).rejects.toMatchObject({ code }))
    expect(openFiles()).toEqual(before)
  })

  test('gives up when told to, before, while waiting and while applying, with nothing left open', async () => {
    using at = ground()
    const path = join(at.base, 'blob')
    const before = openFiles()
    await expect(apply(applying(at.root, growing(path, 1)), { signal: AbortSignal.abort() })).rejects.toThrow('aborted')

    const waiting = new AbortController()
    async function* never(): AsyncGenerator<Growth> {
      writeFileSync(path, blob.subarray(0, 10))
      yield { path, offset: 10, complete: false }
      setImmediate(() => waiting.abort())
      await new Promise(() => {})
    }
    await expect(apply(applying(at.root, never()), { signal: waiting.signal })).rejects.toThrow('aborted')

    const busy = new AbortController()
    const endless = apply(applying(at.root, growing(path, 20)), { signal: busy.signal, onProgress: () => busy.abort() })
    await expect(endless).rejects.toThrow('aborted')
    expect(openFiles()).toEqual(before)
  })

  test('a fault is told at once, also when no more arrives', async () => {
    using at = ground()
    const before = openFiles()
    for (const bytes of [Buffer.from('no archive '.repeat(100)), flipped(gzipSync(random(50_000)), 3000)]) {
      const path = join(at.base, 'stalled')
      writeFileSync(path, bytes)
      async function* stalled(): AsyncGenerator<Growth> {
        yield { path, offset: bytes.length, complete: false }
        await new Promise(() => {})
      }
      await expect(apply({ ...applying(at.root, stalled()), size: 1_000_000 }, { signal })).rejects.toMatchObject({ code: 'data_loss' })
    }
    expect(openFiles()).toEqual(before)
  })

  test('leaves nothing open when it succeeds', async () => {
    using at = ground()
    const before = openFiles()
    await at.apply(blob)
    expect(openFiles()).toEqual(before)
  })
})

function flipped(bytes: Buffer, at: number): Buffer {
  const copy = Buffer.from(bytes)
  const index = at < 0 ? copy.length + at : at
  copy[index] = (copy[index] as number) ^ 0x55
  return copy
}
