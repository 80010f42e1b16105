import type { Agreement } from './claims.ts'
import { isSet } from './pieces.ts'
import type { Share } from './share.ts'

/** What others are said to have, by what is agreed on, and were not asked about since. */
export interface Promises {
  /** Whether anybody is said to have a piece. */
  of(piece: number, agreement: Agreement): boolean
  /** Who is said to have a piece that nobody is known to have. */
  makers(agreement: Agreement): Set<string>
  /** A node was asked: it has said what it has, or will not. */
  asked(node: string, agreement: Agreement): void
}

/** Nobody has been asked yet. */
export function openPromises({ node: us, here, available, peers }: Share): Promises {
  /** what a node was said to have when it was asked */
  const before = new Map<string, Uint8Array>()
  const nothing = new Uint8Array()

  const by = (piece: number, { held = [] }: Agreement): string[] =>
    held
      .filter(
        ({ node, pieces }) => node !== us && isSet(pieces, piece) && !isSet(before.get(node) ?? nothing, piece) && !peers.isLost(node),
      )
      .map(({ node }) => node)
  return {
    of: (piece, agreement) => by(piece, agreement).length > 0,
    makers(agreement) {
      const nodes = new Set<string>()
      for (let piece = 0; piece < here.count; piece++) {
        if (here.has(piece) || available(piece)) continue
        for (const node of by(piece, agreement)) nodes.add(node)
      }
      return nodes
    },
    asked: (node, { held = [] }) => void before.set(node, held.find((one) => one.node === node)?.pieces ?? nothing),
  }
}
