import { addressOf, inPool, library } from '../syscalls/index.ts'
import { Damaged, type Decoder, decoder } from './decoder.ts'

/** zstd, by the library that is built into Node. */
export function openZstd(): Decoder {
  const z = (found ??= find())
  const stream = z.create()
  // ZSTD_inBuffer and ZSTD_outBuffer: pointer, size, how far it is
  const from = Buffer.alloc(bufferSize)
  const into = Buffer.alloc(bufferSize)
  return decoder({
    async run(input, room) {
      point(from, input)
      point(into, room)
      const result = await inPool(z.decompress, stream, into, from)
      if (result < 0) throw new Damaged(`zstd: ${z.why(result)}`)
      return { used: Number(from.readBigUInt64LE(16)), made: Number(into.readBigUInt64LE(16)), ended: result === 0 }
    },
    free: () => void z.free(stream),
  })
}

function point(buffer: Buffer, bytes: Uint8Array): void {
  buffer.writeBigUInt64LE(addressOf(bytes), 0)
  buffer.writeBigUInt64LE(BigInt(bytes.length), 8)
  buffer.writeBigUInt64LE(0n, 16)
}

const bufferSize = 128

let found: ReturnType<typeof find> | undefined

function find() {
  const c = library(null)
  if (c === undefined) throw new Error('start zstd: this process cannot be asked for it')
  return {
    create: c<[], unknown>('void *ZSTD_createDStream(void)'),
    decompress: c<[unknown, Buffer, Buffer]>('int64_t ZSTD_decompressStream(void *stream, void *into, void *from)'),
    free: c<[unknown]>('size_t ZSTD_freeDStream(void *stream)'),
    why: c<[number], string>('const char *ZSTD_getErrorName(int64_t code)'),
  }
}
