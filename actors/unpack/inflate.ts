import type { Transform } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { createGunzip, createZstdDecompress } from 'node:zlib'
import { Failure } from '../../messages/grammar/index.ts'
import { errnoOf } from '../../runtime/errno.ts'
import { Frames } from './frames.ts'
import { excessive, invalid } from './invalid.ts'
import type { Limits } from './limits.ts'

/** How a layer is compressed, told by its first bytes and never by its media type. */
export type Compression = 'gzip' | 'zstd' | 'none'

/** Uncompressed bytes given out at once, and how many of them are made ahead, on the pool, while the ones before are used. */
const chunkSize = 512 * 1024
const ahead = 2

/**
 * The uncompressed bytes of a layer: several members or frames one after another are one stream. Fails with data_loss when they are
 * damaged or cut short. Left early, it leaves the source to be ended by its owner, who may have to wake it first.
 */
export async function* inflate(source: AsyncGenerator<Buffer>, { limits, taken, signal }: InflateOptions): AsyncGenerator<Buffer> {
  const { head, rest } = await begin(source)
  let made = 0
  for await (const chunk of decoders[compressionOf(head)](rest, signal)) {
    made += chunk.length
    if (made > limits.inflated) throw excessive(`more than ${limits.inflated} bytes when uncompressed`)
    if (made > limits.ratioFrom && made > taken() * limits.ratio)
      throw excessive(`more than ${limits.ratio} times its size when uncompressed`)
    yield chunk
  }
}

interface InflateOptions {
  readonly limits: Limits
  /** compressed bytes given so far */
  readonly taken: () => number
  readonly signal: AbortSignal
}

/** Which it is by its magic: gzip, or a frame of zstd, also one to be skipped. */
export function compressionOf(head: Buffer): Compression {
  if (head[0] === 0x1f && head[1] === 0x8b && head[2] === 0x08) return 'gzip'
  if (head.length < 4) return 'none'
  const magic = head.readUInt32LE(0)
  return magic === 0xfd2fb528 || (magic & 0xfffffff0) >>> 0 === 0x184d2a50 ? 'zstd' : 'none'
}

const options = { chunkSize, readableHighWaterMark: chunkSize * ahead, writableHighWaterMark: chunkSize }

const decoders: Readonly<Record<Compression, (source: AsyncGenerator<Buffer>, signal: AbortSignal) => AsyncIterable<Buffer>>> = {
  gzip: (source, signal) => decode(source, createGunzip(options), signal),
  zstd: inflateFrames,
  none: (source) => source,
}

async function* decode(source: AsyncIterable<Buffer>, decoder: Transform, signal: AbortSignal): AsyncGenerator<Buffer> {
  // a failure of the source arrives through the decoder; when the decoder ends first, nobody asks how the feeding went
  pipeline(source, decoder, { signal }).catch(() => {})
  try {
    yield* decoder as AsyncIterable<Buffer>
  } catch (error) {
    signal.throwIfAborted()
    throw understood(error)
  }
}

/** Node's decoder stops after one frame, and there may be many: each gets a decoder, and what the one before did not use. */
async function* inflateFrames(source: AsyncGenerator<Buffer>, signal: AbortSignal): AsyncGenerator<Buffer> {
  const frames = new Frames(source)
  let decoder: ReturnType<typeof createZstdDecompress>
  do {
    decoder = createZstdDecompress(options)
    yield* decode(
      frames.pieces(() => decoder.bytesWritten),
      decoder,
      signal,
    )
  } while (await frames.next(decoder.bytesWritten))
}

function understood(error: unknown): unknown {
  if (error instanceof Failure || errnoOf(error) !== undefined) return error
  return invalid(`it does not uncompress: ${error instanceof Error ? error.message : String(error)}`, error)
}

/** The first four bytes, or all there are; and everything from the beginning. */
async function begin(source: AsyncGenerator<Buffer>): Promise<{ head: Buffer; rest: AsyncGenerator<Buffer> }> {
  let head = Buffer.alloc(0)
  while (head.length < 4) {
    const next = await source.next()
    if (next.done) break
    head = Buffer.concat([head, next.value])
  }
  return { head, rest: prefixed(head, source) }
}

async function* prefixed(head: Buffer, source: AsyncGenerator<Buffer>): AsyncGenerator<Buffer> {
  if (head.length > 0) yield head
  for (let next = await source.next(); !next.done; next = await source.next()) yield next.value
}
