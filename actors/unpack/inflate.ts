import { setImmediate } from 'node:timers/promises'
import { Damaged, type Decoder, openGzip, openZstd } from '../../runtime/decompress/index.ts'
import { excessive, invalid } from './invalid.ts'
import type { Limits } from './limits.ts'
import { type Rooms, takeRooms } from './rooms.ts'

/** How a layer is compressed, told by its first bytes and never by its media type. */
export type Compression = 'gzip' | 'zstd' | 'none'

export interface InflateOptions {
  readonly limits: Limits
  /** compressed bytes given so far */
  readonly taken: () => number
  /** in place of the quickest there is */
  readonly gzip?: (() => Decoder) | undefined
}

/**
 * The uncompressed bytes of a layer: several members or frames one after another are one stream. A chunk is good until the next is asked for; meanwhile that is made, on the
 * pool. Fails with data_loss when they are damaged or cut short. It ends with its source; left early, it leaves that to
 * be ended by its owner, who may have to wake it first.
 */
export async function* inflate(source: AsyncGenerator<Buffer>, options: InflateOptions): AsyncGenerator<Buffer> {
  const { limits, taken } = options
  const { head, rest } = await begin(source)
  let made = 0
  for await (const chunk of opened(compressionOf(head), rest, options)) {
    made += chunk.length
    if (made > limits.inflated) throw excessive(`more than ${limits.inflated} bytes when uncompressed`)
    if (made > limits.ratioFrom && made > taken() * limits.ratio)
      throw excessive(`more than ${limits.ratio} times its size when uncompressed`)
    yield chunk
  }
}

/** Which it is by its magic: gzip, or a frame of zstd, also one to be skipped. */
export function compressionOf(head: Buffer): Compression {
  if (head[0] === 0x1f && head[1] === 0x8b && head[2] === 0x08) return 'gzip'
  if (head.length < 4) return 'none'
  const magic = head.readUInt32LE(0)
  return magic === 0xfd2fb528 || (magic & 0xfffffff0) >>> 0 === 0x184d2a50 ? 'zstd' : 'none'
}

function opened(compression: Compression, source: AsyncGenerator<Buffer>, { gzip = openGzip }: InflateOptions): AsyncGenerator<Buffer> {
  if (compression === 'none') return plain(source)
  return decoded(source, compression === 'gzip' ? gzip() : openZstd())
}

/** Others of the thread get their turn, as they do while the pool decodes. */
async function* plain(source: AsyncGenerator<Buffer>): AsyncGenerator<Buffer> {
  for await (const piece of source) {
    await setImmediate()
    yield piece
  }
}

/** While a chunk is used the next one is made. */
async function* decoded(source: AsyncGenerator<Buffer>, opened: Decoder): AsyncGenerator<Buffer> {
  using rooms = takeRooms()
  await using decoder = opened
  const chunks = members(source, decoder, rooms)
  let next = chunks.next()
  for (;;) {
    const { done, value } = await next
    if (done) return
    next = chunks.next()
    // who leaves now is not told any more
    next.catch(() => {})
    yield value
  }
}

async function* members(source: AsyncGenerator<Buffer>, decoder: Decoder, rooms: Rooms): AsyncGenerator<Buffer> {
  let ended = false
  let room = rooms.next()
  for (let piece = await source.next(); !piece.done; piece = await source.next()) {
    let input = piece.value
    for (let full = false; input.length > 0 || full; ) {
      // zeros behind the last member fill up a block
      if (ended && input[0] === 0) return await drainZeros(input, source)
      const step = await take(decoder, input, room)
      if (step.used === 0 && step.made === 0 && input.length > 0) throw damaged('it goes on after its end')
      input = input.subarray(step.used)
      ended = step.ended
      full = !ended && step.made === room.length
      if (step.made === 0) continue
      yield room.subarray(0, step.made)
      room = rooms.next()
    }
  }
  if (!ended) throw damaged('it ends in the middle')
}

async function take(decoder: Decoder, input: Buffer, room: Buffer): ReturnType<Decoder['step']> {
  try {
    return await decoder.step(input, room)
  } catch (error) {
    throw error instanceof Damaged ? damaged(error.message, error) : error
  }
}

/** Anything else behind them would be a layer to some and nothing to others. */
async function drainZeros(first: Buffer, source: AsyncGenerator<Buffer>): Promise<void> {
  let piece = first
  for (let next = await source.next(); ; next = await source.next()) {
    if (piece.some((byte) => byte !== 0)) throw damaged('it goes on after its end')
    if (next.done) return
    piece = next.value
  }
}

const damaged = (why: string, cause?: unknown) => invalid(`it does not uncompress: ${why}`, cause)

/** The first four bytes, or all there are; and everything from the beginning. */
async function begin(source: AsyncGenerator<Buffer>): Promise<{ head: Buffer; rest: AsyncGenerator<Buffer> }> {
  let head: Buffer = Buffer.alloc(0)
  while (head.length < 4) {
    const next = await source.next()
    if (next.done) break
    head = head.length === 0 ? next.value : Buffer.concat([head, next.value])
  }
  return { head, rest: prefixed(head, source) }
}

async function* prefixed(head: Buffer, source: AsyncGenerator<Buffer>): AsyncGenerator<Buffer> {
  if (head.length > 0) yield head
  for (let next = await source.next(); !next.done; next = await source.next()) yield next.value
}
