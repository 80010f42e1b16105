import { pieceSize } from '../../messages/swarm.ts'

/** Memory for pieces on their way, used again: the engine would look through all else that it keeps each time some tens of MiB of new memory were asked for. */
export interface Memory {
  /** Have room for one piece for as long as some work takes; what was in it before is still there. Nothing may look at it, or write to it, once the work is over. */
  lend<T>(work: (room: Uint8Array<ArrayBuffer>) => Promise<T>): Promise<T>
}

/** Pieces kept for the next while any is in use. */
const kept = 32

/** There is no limit to how many are lent at once; who lends has one of its own. */
export function openMemory(): Memory {
  let free: Uint8Array<ArrayBuffer>[] = []
  let lent = 0
  return {
    async lend(work) {
      const room = free.pop() ?? new Uint8Array(pieceSize)
      lent++
      try {
        return await work(room)
      } finally {
        lent--
        if (free.length < kept) free.push(room)
        if (lent === 0) free = []
      }
    },
  }
}

/** How bytes are read. */
export interface ReadOptions {
  readonly signal: AbortSignal
  /** memory that was lent; the bytes may be put there, and not once it has failed or was given up. They need not be */
  readonly into?: Uint8Array<ArrayBuffer> | undefined
}
