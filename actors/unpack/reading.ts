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

/**
 * Give the memory of a chunk back, which nobody looks at again: the collector does not see how much it is, comes late and often, and stops the thread each time.
 * The end of its room is where the decoder has left it for another; smaller rooms are shared with others.
 */
export function release({ buffer, byteOffset, byteLength }: Buffer): void {
  if (byteLength >= 64 * 1024 && byteOffset + byteLength === buffer.byteLength) (buffer as ArrayBuffer).transfer(0)
}
