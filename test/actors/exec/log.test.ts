import fc from 'fast-check'
import { expect, test } from 'vitest'
import { LogReader, type Piece } from '../../../actors/exec/log.ts'

/** A log as conmon writes one: content in pieces, cut at newlines. */
function write(pieces: readonly { stream: string; bytes: Uint8Array }[]): Buffer {
  const parts: Buffer[] = []
  for (const { stream, bytes } of pieces) {
    for (let at = 0; at < bytes.length; ) {
      const newline = bytes.indexOf(0x0a, at)
      const end = newline < 0 ? bytes.length : newline
      parts.push(
        Buffer.from(`2026-01-01T00:00:00.000000000+00:00 ${stream} ${newline < 0 ? 'P' : 'F'} `),
        Buffer.from(bytes.subarray(at, end)),
        Buffer.from('\n'),
      )
      at = end + 1
    }
  }
  return Buffer.concat(parts)
}

const contents = (pieces: readonly Piece[], stream: string) =>
  Buffer.concat(pieces.filter((piece) => piece.stream === stream).map(({ bytes }) => bytes))

test('whatever was written is read back byte for byte, however the log is cut', () => {
  const stream = fc.constantFrom('stdout', 'stderr')
  const bytes = fc.uint8Array({ maxLength: 200 }).map((some) => some.map((byte) => (byte % 5 === 0 ? 0x0a : byte)))
  fc.assert(
    fc.property(fc.array(fc.record({ stream, bytes })), fc.integer({ min: 1, max: 97 }), (pieces, step) => {
      const log = write(pieces)
      const reader = new LogReader()
      const read: Piece[] = []
      for (let at = 0; at < log.length; at += step) read.push(...reader.push(log.subarray(at, at + step)))
      for (const name of ['stdout', 'stderr']) {
        const written = Buffer.concat(pieces.filter((piece) => piece.stream === name).map((piece) => piece.bytes))
        expect(contents(read, name).equals(written)).toBe(true)
      }
    }),
  )
})

test('a record that is not whole yet waits', () => {
  const reader = new LogReader()
  expect(reader.push(Buffer.from('2026-01-01T00:00:00Z stdout F hel'))).toEqual([])
  expect(reader.push(Buffer.from('lo\n'))).toEqual([{ stream: 'stdout', bytes: Buffer.from('hello\n') }])
})

test('neighbours of one stream are one piece', () => {
  const reader = new LogReader()
  const log = 'T stdout P a\nT stdout F b\nT stderr F e\nT stdout F c\n'
  expect(reader.push(Buffer.from(log)).map(({ stream, bytes }) => [stream, bytes.toString()])).toEqual([
    ['stdout', 'ab\n'],
    ['stderr', 'e\n'],
    ['stdout', 'c\n'],
  ])
})
