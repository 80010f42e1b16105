import type { Gained, Holding } from '../../messages/swarm.ts'
import type { Digest } from '../../messages/words/index.ts'
import { learnAll, type PieceMap, pieceMap, sha256Of } from './map.ts'
import { openPeers, type Peers } from './peers.ts'
import { allPieces, type Pieces, pieces } from './pieces.ts'

/** One blob on its way, as far as this node knows: what it has, what others have, what each piece should be. */
export interface Share {
  readonly digest: Digest
  readonly size: number
  readonly node: string
  /** pieces that are on disk */
  readonly here: Pieces
  readonly map: PieceMap
  readonly peers: Peers
  /** pieces somebody is getting at the moment */
  readonly underway: Set<number>
  /** bytes by where they came from */
  readonly sources: { origin: number; readonly peers: Record<string, number> }
  /** Resolves at the next change of anything here. */
  changed(): Promise<void>
  /** Something changed: whoever waits looks again. */
  wake(): void
  /** What another told in the room. */
  heard(gained: Gained): void
  /** What another has, as it answered. */
  met(holding: Holding): void
  /** Whether one of the pieces that are missing is so. */
  some(what: (piece: number) => boolean): boolean
  /** What this node has of it that others can check. */
  holding(): Holding
}

export interface ShareInit {
  readonly digest: Digest
  readonly size: number
  readonly node: string
  readonly now: () => number
}

/** Nothing is here yet, and nobody is known. */
export function openShare({ digest, size, node, now }: ShareInit): Share {
  const here = pieces(size)
  const map = pieceMap(size)
  const peers = openPeers({ now, none: () => pieces(size), knows: map.knows })
  let change = Promise.withResolvers<void>()
  const wake = (): void => {
    change.resolve()
    change = Promise.withResolvers()
  }
  return {
    digest,
    size,
    node,
    here,
    map,
    peers,
    underway: new Set(),
    sources: { origin: 0, peers: {} },
    changed: () => change.promise,
    wake,
    heard({ node: other, piece, sha256, complete, left }) {
      if (left) peers.lost(other)
      else peers.met(other, { ...(complete && { has: allPieces(size) }) })
      if (piece !== undefined) {
        if (sha256) map.learn(piece, sha256, other)
        peers.gained(other, piece)
      }
      wake()
    },
    met({ node: other, size: theirs, complete, pieces: bits, map: known }) {
      if (theirs !== size) return
      if (known) learnAll(map, known, other)
      peers.met(other, { has: complete ? allPieces(size) : pieces(size, bits) })
      wake()
    },
    some(what) {
      for (let piece = 0; piece < here.count; piece++) if (!here.has(piece) && what(piece)) return true
      return false
    },
    holding() {
      const known = map.bytes()
      const checkable = pieces(size)
      for (let piece = 0; piece < here.count; piece++) if (here.has(piece) && map.knows(piece)) checkable.add(piece)
      const complete = checkable.held === checkable.count
      return { node, digest, size, complete, ...(!complete && { pieces: checkable.bytes() }), ...(known && { map: known }) }
    },
  }
}

/** Bytes that were read by ourselves, where others may check them: what they hash to is our word. */
export function vouch(share: Share, piece: number, bytes: Uint8Array): Uint8Array<ArrayBuffer> {
  const sha256 = sha256Of(bytes)
  share.map.learn(piece, sha256, share.node)
  return sha256
}
