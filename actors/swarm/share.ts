import type { Gained, Holding } from '../../messages/swarm.ts'
import type { Digest } from '../../messages/words/index.ts'
import { learnAll, type PieceMap, pieceMap } from './map.ts'
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
  /** Whether anybody else ever shared it. Until then nobody needs to know what pieces hash to. */
  readonly company: boolean
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
  /**
   * What this node has of it, for somebody who asks and is company from then on; also what nobody can check yet: what that hashes to will be told. Never complete: whether it is what its
   * digest says is not known before it is content.
   */
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
  /** Called when somebody else shares it for the first time. */
  readonly joined: () => void
}

/** ms somebody who was found out is not counted on */
const distrustMs = 300_000

/** Nothing is here yet, and nobody is known. */
export function openShare({ digest, size, node, now, distrusted, blame, joined }: ShareInit): Share {
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
  let company = false
  const join = (): void => {
    if (company) return
    company = true
    joined()
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
    get company() {
      return company
    },
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
      if (!left) join()
      wake()
    },
    met({ node: other, size: theirs, complete, pieces: bits, map: known }) {
      if (theirs !== size || distrusted(other)) return
      if (known) learnAll(map, known, other)
      peers.met(other, { has: complete ? allPieces(size) : pieces(size, bits) })
      join()
      wake()
    },
    offers,
    available: (piece) => peers.copies(piece) > (suspects.of(piece)?.size ?? 0),
    some(what) {
      for (let piece = 0; piece < here.count; piece++) if (!here.has(piece) && what(piece)) return true
      return false
    },
    holding() {
      join()
      const known = map.bytes()
      const offered = pieces(size)
      for (let piece = 0; piece < here.count; piece++) if (here.has(piece) && (checked.has(piece) || !map.knows(piece))) offered.add(piece)
      return { node, digest, size, complete: false, pieces: offered.bytes(), ...(known && { map: known }) }
    },
  }
}
