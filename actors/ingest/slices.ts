import { type Limit, limit } from '../../runtime/limit.ts'

/** A pair of buffers: one is read into while the other is hashed. */
export type Pair = readonly [Uint8Array, Uint8Array]

/** Buffers to read through, shared by everything that hashes: however many ingests are open, memory stays what it is. */
export interface Slices {
  readonly bytes: number
  /** Have a pair for as long as `work` runs; who asked first has it first. */
  lend<R>(work: (pair: Pair) => Promise<R>, options: { signal: AbortSignal }): Promise<R>
}

/** `pairs` pairs of buffers of `bytes` each. */
export function openSlices(init: { pairs?: number; bytes?: number } = {}): Slices {
  const { pairs = 4, bytes = 1024 * 1024 } = init
  const room: Limit = limit(pairs)
  const free: Pair[] = []
  const make = (): Pair => [Buffer.allocUnsafeSlow(bytes), Buffer.allocUnsafeSlow(bytes)]
  return {
    bytes,
    lend: (work, options) =>
      room(async () => {
        const pair = free.pop() ?? make()
        try {
          return await work(pair)
        } finally {
          free.push(pair)
        }
      }, options),
  }
}
