import type { PieceMap } from './map.ts'

/** Who sent what a piece is not, or said what it is not, found out as the same piece comes from others. */
export interface Suspects {
  /** Who sent what the piece is not, so that it is not asked for it again. */
  of(piece: number): ReadonlySet<string> | undefined
  /** Bytes a node sent are not what the piece is said to hash to. */
  wrong(piece: number, sender: string): void
  /** Bytes are what the piece is said to hash to: who sent others lied. */
  right(piece: number): void
  /** Bytes of the registry: it is believed before anybody. Whoever said otherwise lied. */
  fromOrigin(piece: number, bytes: Uint8Array): void
}

export interface SuspectsInit {
  readonly map: PieceMap
  /** us */
  readonly node: string
  readonly blame: (sender: string, piece: number, why: string) => void
}

const sent = 'the bytes it sent are not the piece'
const said = 'what it said the piece hashes to is not so'

/**
 * Between who sent a piece and who said what it hashes to, one lied; nobody is blamed before it is known which. Who contradicts itself did; else two whose bytes are wrong are believed
 * against one who said so, and one whose bytes are right convicts those whose were not.
 */
export function openSuspects({ map, node, blame }: SuspectsInit): Suspects {
  const senders = new Map<number, Set<string>>()

  function disbelieve(author: string, piece: number): void {
    blame(author, piece, said)
    for (const unknown of map.forget(author)) senders.delete(unknown)
  }

  function right(piece: number): void {
    for (const sender of senders.get(piece) ?? []) blame(sender, piece, sent)
    senders.delete(piece)
  }

  return {
    of: (piece) => senders.get(piece),
    wrong(piece, sender) {
      const author = map.author(piece)
      const all = senders.get(piece) ?? new Set()
      senders.set(piece, all.add(sender))
      if (author === node) blame(sender, piece, sent)
      else if (author !== undefined && (author === sender || all.size > 1)) disbelieve(author, piece)
    },
    right,
    fromOrigin(piece, bytes) {
      const author = map.author(piece)
      if (author === undefined || author === node) return
      if (map.fits(piece, bytes)) right(piece)
      else disbelieve(author, piece)
    },
  }
}
