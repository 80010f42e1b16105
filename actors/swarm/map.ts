import { hash } from 'node:crypto'
import { countOf } from './pieces.ts'

/**
 * What each piece of a blob hashes to, and on whose word. Provisional until the whole blob is what its digest says.
 */
export interface PieceMap {
  /** Of how many pieces it is known. */
  readonly known: number
  /** Whether it is known what the piece hashes to. */
  knows(piece: number): boolean
  /** Whether the bytes are the piece. Of one that is not known, nothing is. */
  fits(piece: number, bytes: Uint8Array): boolean
  /** The hash of a piece, 32 bytes, on somebody's word. The first word stands. */
  learn(piece: number, sha256: Uint8Array, author: string): void
  /** On whose word. */
  author(piece: number): string | undefined
  /** Everybody on whose word anything is known. */
  authors(): ReadonlySet<string>
  hash(piece: number): Uint8Array<ArrayBuffer> | undefined
  /** Believe no word of somebody's any more. Answers the pieces that are unknown for it. */
  forget(author: string): number[]
  /** 32 bytes a piece, zeros where it is not known; undefined while nothing is. */
  bytes(): Uint8Array<ArrayBuffer> | undefined
}

/** Bytes of a hash. */
const width = 32

/** Nothing is known yet of a blob of `size` bytes. */
export function pieceMap(size: number): PieceMap {
  const count = countOf(size)
  const known = new Map<number, { readonly sha256: Uint8Array<ArrayBuffer>; readonly author: string }>()
  return {
    get known() {
      return known.size
    },
    knows: (piece) => known.has(piece),
    fits(piece, bytes) {
      const entry = known.get(piece)
      return entry !== undefined && Buffer.compare(sha256Of(bytes), entry.sha256) === 0
    },
    learn(piece, sha256, author) {
      if (piece < 0 || piece >= count || sha256.length !== width || known.has(piece) || isZero(sha256)) return
      known.set(piece, { sha256: new Uint8Array(sha256), author })
    },
    author: (piece) => known.get(piece)?.author,
    authors: () => new Set(known.values().map(({ author }) => author)),
    hash: (piece) => known.get(piece)?.sha256,
    forget(author) {
      const lost = [...known].filter(([, entry]) => entry.author === author).map(([piece]) => piece)
      for (const piece of lost) known.delete(piece)
      return lost
    },
    bytes() {
      if (known.size === 0) return undefined
      const all = new Uint8Array(count * width)
      for (const [piece, { sha256 }] of known) all.set(sha256, piece * width)
      return all
    },
  }
}

/** Learn every piece of a map as it travels. */
export function learnAll(map: PieceMap, bytes: Uint8Array, author: string): void {
  for (let piece = 0; (piece + 1) * width <= bytes.length; piece++)
    map.learn(piece, bytes.subarray(piece * width, (piece + 1) * width), author)
}

/** The hash of a piece. */
export const sha256Of = (bytes: Uint8Array): Uint8Array<ArrayBuffer> => new Uint8Array(hash('sha256', bytes, 'buffer'))

const isZero = (bytes: Uint8Array): boolean => bytes.every((byte) => byte === 0)
