/** What every decoder of gzip does, whichever library does it: run against each that is here. */
import { crc32, deflateRawSync, gzipSync } from 'node:zlib'
import { describe, expect, test } from 'vitest'
import { inflate } from '../../../actors/unpack/inflate.ts'
import { defaultLimits } from '../../../actors/unpack/limits.ts'
import type { Decoder } from '../../../runtime/decompress/index.ts'

const text = Buffer.from(Array.from({ length: 90_000 }, (_, at) => `line ${at % 977} of ${at}\n`).join(''))
const noise = Buffer.from(Array.from({ length: 200_000 }, (_, at) => ((at * 2654435761) >>> 13) & 0xff))
const zeros = Buffer.alloc(3 << 20)

/** A member whose header has all that one may have, with a sum of its own. */
function adorned(content: Buffer): Buffer {
  const extra = Buffer.from('\x06\x00abcdef', 'latin1')
  const head = Buffer.concat([Buffer.from('1f8b081e00000000ff03', 'hex'), extra, Buffer.from('a name\0a comment\0')])
  const sums = Buffer.alloc(10)
  sums.writeUInt16LE(crc32(head) & 0xffff, 0)
  sums.writeUInt32LE(crc32(content), 2)
  sums.writeUInt32LE(content.length, 6)
  return Buffer.concat([head, sums.subarray(0, 2), deflateRawSync(content), sums.subarray(2)])
}

export function gzipSuite(name: string, open: () => Decoder): void {
  const read = async (blob: Buffer, size = blob.length || 1): Promise<Buffer> => {
    async function* pieces(): AsyncGenerator<Buffer> {
      for (let at = 0; at < blob.length; at += size) yield Buffer.from(blob.subarray(at, at + size))
    }
    const chunks = inflate(pieces(), { limits: defaultLimits, taken: () => blob.length, gzip: open })
    return Buffer.concat(await Array.fromAsync(chunks, (chunk) => Buffer.from(chunk)))
  }
  const lost = { code: 'data_loss', message: expect.stringContaining('does not uncompress') }

  describe(`gzip by ${name}`, () => {
    describe.each([
      ['text', text],
      ['noise', noise],
      ['zeros', zeros],
      ['nothing', Buffer.alloc(0)],
    ])('of %s', (_, content) => {
      test.each([0, 1, 6, 9])('at level %d', async (level) => {
        expect((await read(gzipSync(content, { level }))).equals(content)).toBe(true)
      })
    })

    test.each([1, 7, 4096, 65_537])('in pieces of %d bytes', async (size) => {
      const content = Buffer.concat([text.subarray(0, 9_000), noise.subarray(0, 4_000), zeros.subarray(0, 9_000)])
      const blob = Buffer.concat([gzipSync(content), gzipSync(content, { level: 0 }), adorned(content)])
      expect((await read(blob, size)).equals(Buffer.concat([content, content, content]))).toBe(true)
    })

    test('with all a header may have', async () => {
      expect((await read(adorned(text))).equals(text)).toBe(true)
    })

    test('in many members, empty ones among them', async () => {
      const members = Array.from({ length: 500 }, (_, at) => gzipSync(text.subarray(0, at % 7)))
      expect((await read(Buffer.concat(members))).length).toBe(Array.from({ length: 500 }, (_, at) => at % 7).reduce((a, b) => a + b))
    })

    test.each([1, 1000])('with zeros behind it, in pieces of %d bytes', async (size) => {
      expect((await read(Buffer.concat([gzipSync(text.subarray(0, 900)), Buffer.alloc(300)]), size)).length).toBe(900)
    })

    test.each([1, 1000])('is damaged when something else is behind it, in pieces of %d bytes', async (size) => {
      await expect(
        read(Buffer.concat([gzipSync(text.subarray(0, 900)), Buffer.from('more of it, but not gzip')]), size),
      ).rejects.toMatchObject(lost)
    })

    const small = adorned(text.subarray(0, 100))
    test('is damaged wherever it is cut short', async () => {
      for (let length = 3; length < small.length; length++) await expect(read(small.subarray(0, length))).rejects.toMatchObject(lost)
      const second = Buffer.concat([gzipSync(noise), small])
      for (const length of [1, 5, 20]) await expect(read(second.subarray(0, second.length - length))).rejects.toMatchObject(lost)
    })

    test.each([1, 2, 3, 4, 5, 6, 7, 8])('is damaged with another byte %d from the end, where its sums are', async (from) => {
      const blob = gzipSync(text)
      blob.writeUInt8((blob.at(-from) as number) ^ 0x10, blob.length - from)
      await expect(read(blob)).rejects.toMatchObject(lost)
    })

    test('never gives out what was not put in, whatever byte is another', async () => {
      for (let at = 10; at < small.length; at++) {
        const blob = Buffer.from(small)
        blob[at] = (blob[at] as number) ^ 0x41
        const came = await read(blob).catch((error: unknown) => error)
        // flags, times and names are of no matter
        if (Buffer.isBuffer(came)) expect(came.equals(text.subarray(0, 100))).toBe(true)
        else expect(came).toMatchObject({ code: 'data_loss' })
      }
    })

    test('one that goes on for ever is left at once', async () => {
      async function* endless(): AsyncGenerator<Buffer> {
        yield gzipSync(zeros).subarray(0, 2000)
        await new Promise(() => {})
      }
      for await (const chunk of inflate(endless(), { limits: defaultLimits, taken: () => 1, gzip: open })) {
        expect(chunk.length).toBeGreaterThan(0)
        break
      }
    })

    test('a step under way is waited for before its memory is given back, and none follows', async () => {
      const decoder = open()
      const room = Buffer.alloc(1 << 20)
      let over = false
      const step = decoder.step(gzipSync(zeros), room).then(({ made }) => {
        over = true
        return made
      })
      await decoder[Symbol.asyncDispose]()
      expect(over).toBe(true)
      expect(await step).toBe(room.length)
      await expect(decoder.step(Buffer.alloc(1), room)).rejects.toThrow('closed')
    })
  })
}
