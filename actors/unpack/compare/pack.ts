import { createHash } from 'node:crypto'
import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { createGzip, createZstdCompress } from 'node:zlib'
import type { Compression } from '../../../messages/unpack.ts'
import type { Digest } from '../../../messages/words/index.ts'

/** What packing came to. */
export interface Packed {
  readonly digest: Digest
  readonly packedSize: number
  readonly diffId: Digest
  readonly size: number
}

export interface PackInit {
  readonly compression: Compression
  /** Called with each piece of what is packed, in order; it is not used afterwards. */
  readonly append: (bytes: Uint8Array) => void
}

/**
 * Compress a stream, and digest it before and after. Compressing is done on the pool, so it goes on beside the reading and digesting that is done here. The same bytes, packed by the same version of the
 * libraries, always give the same bytes.
 */
export async function pack(
  chunks: AsyncIterable<Buffer>,
  { compression, append }: PackInit,
  options: { signal: AbortSignal },
): Promise<Packed> {
  const [plain, packed] = [counting(), counting()]
  async function* taken(): AsyncGenerator<Buffer> {
    for await (const chunk of chunks) {
      plain.take(chunk)
      yield chunk
    }
  }
  const write = async (pieces: AsyncIterable<Buffer>): Promise<void> => {
    for await (const piece of pieces) {
      if (compression !== 'none') packed.take(piece)
      append(piece)
    }
  }
  const from = Readable.from(taken(), { highWaterMark: 1 })
  if (compression === 'none') await pipeline(from, write, options)
  else if (compression === 'zstd') await pipeline(from, createZstdCompress({ chunkSize: pieceBytes }), write, options)
  else await pipeline(from, createGzip({ chunkSize: pieceBytes }), (pieces: AsyncIterable<Buffer>) => write(anonymous(pieces)), options)
  const [diffId, size] = [plain.digest(), plain.size()]
  return compression === 'none'
    ? { digest: diffId, packedSize: size, diffId, size }
    : { digest: packed.digest(), packedSize: packed.size(), diffId, size }
}

const pieceBytes = 2 ** 18

/** gzip without the kind of system it was made on, the ninth byte of its header. */
async function* anonymous(pieces: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
  let before = 0
  for await (const piece of pieces) {
    if (before <= 9 && before + piece.length > 9) piece[9 - before] = 255
    before += piece.length
    yield piece
  }
}

function counting(): { take(bytes: Uint8Array): void; digest(): Digest; size(): number } {
  const hash = createHash('sha256')
  let size = 0
  return {
    take(bytes) {
      hash.update(bytes)
      size += bytes.length
    },
    digest: () => `sha256:${hash.digest('hex')}`,
    size: () => size,
  }
}
