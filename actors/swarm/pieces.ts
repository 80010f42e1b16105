import { pieceSize } from '../../messages/swarm.ts'

/** Some pieces of a blob. */
export interface Pieces {
  /** how many the blob has */
  readonly count: number
  /** how many of them are here */
  readonly held: number
  has(piece: number): boolean
  add(piece: number): void
  drop(piece: number): void
  /** A bit a piece, the first in the highest bit of the first byte. */
  bytes(): Uint8Array<ArrayBuffer>
}

/** None of the pieces of a blob of `size` bytes, or those `bits` says; bits too few or too many count for nothing. */
export function pieces(size: number, bits: Uint8Array = new Uint8Array()): Pieces {
  const count = countOf(size)
  const mine = new Uint8Array(Math.ceil(count / 8))
  let held = 0
  const exists = (piece: number): boolean => piece >= 0 && piece < count
  const has = (piece: number): boolean => exists(piece) && isSet(mine, piece)
  const add = (piece: number): void => {
    if (!exists(piece) || isSet(mine, piece)) return
    mine[piece >> 3] = (mine[piece >> 3] ?? 0) | bitOf(piece)
    held++
  }
  for (let piece = 0; piece < count; piece++) if (isSet(bits, piece)) add(piece)
  return {
    count,
    get held() {
      return held
    },
    has,
    add,
    drop(piece) {
      if (!has(piece)) return
      mine[piece >> 3] = (mine[piece >> 3] ?? 0) & ~bitOf(piece)
      held--
    },
    bytes: () => mine.slice(),
  }
}

/** Every piece of a blob. */
export const allPieces = (size: number): Pieces => pieces(size, new Uint8Array(Math.ceil(countOf(size) / 8)).fill(255))

/** How many pieces a blob has. */
export const countOf = (size: number): number => Math.ceil(size / pieceSize)

/** Where a piece begins and ends. */
export const boundsOf = (piece: number, size: number): { start: number; end: number } => ({
  start: piece * pieceSize,
  end: Math.min(size, (piece + 1) * pieceSize),
})

const bitOf = (piece: number): number => 0x80 >> (piece & 7)
/** Whether a piece is among those that bits say. */
export const isSet = (bits: Uint8Array, piece: number): boolean => ((bits[piece >> 3] ?? 0) & bitOf(piece)) !== 0
