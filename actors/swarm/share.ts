import type { Gained, Holding } from '../../messages/swarm.ts'
import type { Digest } from '../../messages/words/index.ts'
import { learnAll, type PieceMap, pieceMap, sha256Of } from './map.ts'
import { openPeers, type Peers } from './peers.ts'
import { allPieces, type Pieces, pieces } from './pieces.ts'
import { openSuspects, type Suspects } from './suspects.ts'

/** One blob on its way, as far as this node knows: what it has, what others have, what each piece should be. */
export interface Share {
  readonly digest: Digest
  readonly size: number
  readonly node: string
  /** pieces that are on disk */
  readonly here: Pieces
  /** those of them whose bytes are what the map says; others are not for others */
  readonly checked: Pieces
  readonly map: PieceMap
  readonly peers: Peers
  readonly suspects: Suspects
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
  /** Whether a piece can be had from others, now or soon. */
  available(piece: number): boolean
  /** Whether others can have a piece of us, and check it. */
  offers(piece: number): boolean
  /** Whether one of the pieces that are missing is so. */
  some(what: (piece: number) => boolean): boolean
  /** What this node has of it that others can check. Never complete: whether it is what its digest says is not known before it is content. */
  holding(): Holding
}

export interface ShareInit {
  readonly digest: Digest
  readonly size: number
  readonly node: string
  readonly now: () => number
  /** Whether what somebody says counts for nothing. */
  readonly distrusted: (node: string) => boolean
  /** Somebody sent, or said, what is not so. */
  readonly blame: (node: string, piece: number, why: string) => void
}

/** ms somebody who was found out is not counted on */
const distrustMs = 300_000

/** Nothing is here yet, and nobody is known. */
export function openShare({ digest, size, node, now, distrusted, blame }: ShareInit): Share {
  const here = pieces(size)
  const checked = pieces(size)
  const map = pieceMap(size)
  const peers = openPeers({ now, none: () => pieces(size), knows: map.knows })
  const suspects = openSuspects({
    map,
    node,
    blame(other, ...about) {
      peers.avoid(other, distrustMs)
      blame(other, ...about)
    },
  })
  let change = Promise.withResolvers<void>()
  const wake = (): void => {
    change.resolve()
    change = Promise.withResolvers()
  }
  const offers = (piece: number): boolean => here.has(piece) && checked.has(piece) && map.knows(piece)
  return {
    digest,
    size,
    node,
    here,
    checked,
    map,
    peers,
    suspects,
    underway: new Set(),
    sources: { origin: 0, peers: {} },
    changed: () => change.promise,
    wake,
    heard({ node: other, piece, sha256, complete, left }) {
      if (distrusted(other)) return
      if (left) peers.lost(other)
      else peers.met(other, { ...(complete && { has: allPieces(size) }) })
      if (piece !== undefined) {
        if (sha256) map.learn(piece, sha256, other)
        peers.gained(other, piece)
      }
      wake()
    },
    met({ node: other, size: theirs, complete, pieces: bits, map: known }) {
      if (theirs !== size || distrusted(other)) return
      if (known) learnAll(map, known, other)
      peers.met(other, { has: complete ? allPieces(size) : pieces(size, bits) })
      wake()
    },
    offers,
    available: (piece) => peers.copies(piece) > (suspects.of(piece)?.size ?? 0),
    some(what) {
      for (let piece = 0; piece < here.count; piece++) if (!here.has(piece) && what(piece)) return true
      return false
    },
    holding() {
      const known = map.bytes()
      const offered = pieces(size)
      for (let piece = 0; piece < here.count; piece++) if (offers(piece)) offered.add(piece)
      return { node, digest, size, complete: false, pieces: offered.bytes(), ...(known && { map: known }) }
    },
  }
}

/**
 * Bytes that are here and came from no other node. What they hash to is our word, unless somebody said before: then they are checked against that. Answers the hash; undefined when they
 * are not what was said.
 */
export function vouch(share: Share, piece: number, bytes: Uint8Array): Uint8Array<ArrayBuffer> | undefined {
  const { map, checked } = share
  const sha256 = sha256Of(bytes)
  map.learn(piece, sha256, share.node)
  const said = map.hash(piece)
  if (said && Buffer.compare(said, sha256) !== 0) return undefined
  checked.add(piece)
  return sha256
}
