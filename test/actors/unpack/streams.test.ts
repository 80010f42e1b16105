import { createHash } from 'node:crypto'
import { gzipSync, zstdCompressSync } from 'node:zlib'
import { describe, expect, test } from 'vitest'
import { gzipDecoders } from '../../../runtime/decompress/index.ts'
import { archive, file } from '../../support/layers.ts'
import { ground } from './applying.ts'

const layer = archive(file('a', 'x'.repeat(3000)), file('b', 'y'))
const diffId = `sha256:${createHash('sha256').update(layer).digest('hex')}`
const [head, tail] = [layer.subarray(0, 700), layer.subarray(700)]
const nothing = Buffer.alloc(0)
const skippable = (magic: number, length: number): Buffer => {
  const frame = Buffer.alloc(8 + length, 7)
  frame.writeUInt32LE(0x184d2a50 + magic, 0)
  frame.writeUInt32LE(length, 4)
  return frame
}
const join = (...parts: readonly Buffer[]): Buffer => Buffer.concat(parts)

describe.each(gzipDecoders())('gzip by $name', ({ open: gzip }) => {
  test.each<[string, Buffer]>([
    ['members one after another', join(gzipSync(head), gzipSync(tail))],
    ['members of nothing between', join(gzipSync(nothing), gzipSync(head), gzipSync(nothing), gzipSync(tail), gzipSync(nothing))],
    [
      'a hundred members',
      join(...Array.from({ length: 100 }, (_, at) => gzipSync(layer.subarray(at * 60, at === 99 ? layer.length : (at + 1) * 60)))),
    ],
    ['zeros after the last member', join(gzipSync(layer), Buffer.alloc(600))],
    ['no compression at all', gzipSync(layer, { level: 0 })],
  ])('%s are one stream', async (_, blob) => {
    using at = ground()
    expect(await at.apply(blob, {}, { gzip })).toMatchObject({ diffId, entries: 2, offset: blob.length })
  })

  test.each<[string, Buffer]>([
    ['what is no member after the last one', join(gzipSync(layer), Buffer.from('garbage'))],
    ['what is no member after zeros', join(gzipSync(layer), Buffer.alloc(10), Buffer.from('garbage'))],
    ['a second member cut short', join(gzipSync(layer), gzipSync(layer).subarray(0, -9))],
    ['a header of a second member cut short', join(gzipSync(layer), gzipSync(layer).subarray(0, 5))],
  ])('%s is data_loss', async (_, blob) => {
    using at = ground()
    await expect(at.apply(blob, {}, { gzip })).rejects.toMatchObject({ code: 'data_loss' })
  })
})

describe('zstd', () => {
  test.each<[string, Buffer]>([
    ['frames one after another', join(zstdCompressSync(head), zstdCompressSync(tail))],
    [
      'frames of nothing between',
      join(zstdCompressSync(nothing), zstdCompressSync(head), zstdCompressSync(nothing), zstdCompressSync(tail)),
    ],
    [
      'frames to be skipped, before, between and after',
      join(
        ...[0, 5, 15].map((magic) => skippable(magic, magic * 100)),
        zstdCompressSync(head),
        skippable(3, 70_000),
        zstdCompressSync(tail),
        skippable(1, 0),
      ),
    ],
  ])('%s are one stream', async (_, blob) => {
    using at = ground()
    expect(await at.apply(blob)).toMatchObject({ diffId, entries: 2, offset: blob.length })
  })

  test.each<[string, Buffer]>([
    ['what is no frame after the last one', join(zstdCompressSync(layer), Buffer.from('garbage'))],
    ['a second frame cut short', join(zstdCompressSync(layer), zstdCompressSync(layer).subarray(0, -5))],
    ['a frame to be skipped cut short', join(zstdCompressSync(layer), skippable(0, 100).subarray(0, 50))],
    ['a gzip member after it', join(zstdCompressSync(head), gzipSync(tail))],
  ])('%s is data_loss', async (_, blob) => {
    using at = ground()
    await expect(at.apply(blob)).rejects.toMatchObject({ code: 'data_loss' })
  })
})

describe('no compression', () => {
  test.each<[string, Buffer]>([
    ['nothing at all', nothing],
    ['one block of zeros', Buffer.alloc(512)],
    ['two blocks of zeros', Buffer.alloc(1024)],
    ['twenty of them, as tar pads', Buffer.alloc(10_240)],
  ])('%s is an empty layer', async (_, blob) => {
    using at = ground()
    const digest = `sha256:${createHash('sha256').update(blob).digest('hex')}`
    for (const packed of [blob, gzipSync(blob), zstdCompressSync(blob)])
      expect(await at.apply(packed)).toMatchObject({ diffId: digest, size: blob.length, entries: 0, written: 0 })
  })

  test.each([1, 100, 511, 513])('%d bytes of zeros are data_loss', async (length) => {
    using at = ground()
    await expect(at.apply(Buffer.alloc(length))).rejects.toMatchObject({ code: 'data_loss' })
  })
})
