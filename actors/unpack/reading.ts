import { type Growth, readGrowing } from './source.ts'

/** A blob to be read. */
export interface Reading {
  /** how far it is on disk */
  readonly growth: AsyncIterable<Growth>
  /** of the whole blob */
  readonly size: number
}

/** The blob's bytes, and how many were taken. Disposing it ends the reading at once, also when it waits for more to arrive. */
export function reading(
  { growth, size }: Reading,
  signal: AbortSignal,
): { pieces: AsyncGenerator<Buffer>; taken: () => number } & AsyncDisposable {
  const ended = new AbortController()
  const reader = readGrowing(growth, { size, signal: AbortSignal.any([signal, ended.signal]) })
  let bytes = 0
  async function* counted(): AsyncGenerator<Buffer> {
    for await (const piece of reader) {
      bytes += piece.length
      yield piece
    }
  }
  return {
    pieces: counted(),
    taken: () => bytes,
    async [Symbol.asyncDispose]() {
      ended.abort()
      await reader.return(undefined)
    },
  }
}
