import { Failure } from '../../messages/grammar/index.ts'
import type { Taker } from '../command/taker.ts'
import type { Wanted } from './open-ingest.ts'

/** Bytes that are to become a blob. */
export interface Input {
  /** for people */
  readonly name: string
  readonly bytes: AsyncIterable<Uint8Array>
}

/**
 * Copy an input to its end. What the taker has of it already is passed over: as far as it is the same, where that can be seen; where it cannot, only if the digest that is
 * expected will tell. Fails with failed_precondition when the input is shorter or longer than it should be; what came stays.
 */
export async function copy(input: Input, taker: Taker, wanted: Wanted, { signal }: { signal: AbortSignal }): Promise<void> {
  const { reference, expected, total } = wanted
  const wrong = (why: string) => new Failure('failed_precondition', `ingest ${reference}: ${why}`, { details: { reason: 'size' } })
  if (taker.offset > 0 && expected === undefined && taker.alike(0, new Uint8Array()) === undefined) await taker.cut(0)
  let at = 0
  for await (const piece of input.bytes) {
    signal.throwIfAborted()
    const known = await passOver(taker, at, piece)
    at += piece.length
    if (total !== undefined && at > total) throw wrong(`${input.name} has more than the ${total} bytes expected`)
    if (known < piece.length) await taker.append(piece.subarray(known))
  }
  if (total !== undefined && at < total) throw wrong(`${input.name} ended after ${at} of the ${total} bytes expected`)
  // left of another input
  if (at < taker.offset) await taker.cut(at)
  await taker.settle()
}

/** How much of a piece need not be written. */
async function passOver(taker: Taker, at: number, piece: Uint8Array): Promise<number> {
  const there = piece.subarray(0, Math.max(0, taker.offset - at))
  if (there.length === 0) return 0
  const alike = taker.alike(at, there) ?? there.length
  if (alike < there.length) await taker.cut(at + alike)
  return alike
}
