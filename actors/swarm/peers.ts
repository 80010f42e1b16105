import type { Pieces } from './pieces.ts'

/** Somebody else who has some of a blob, or wants it. */
export interface Peer {
  readonly node: string
  readonly has: Pieces
  /** pieces asked of it and not here yet */
  asked: number
  /** ms a piece took lately */
  pace: number
  /** pieces it sent */
  sent: number
  /** times in a row that it did not send what it was asked for */
  failed: number
}

/** What is known of the others who share one blob. */
export interface Peers {
  /** Those who are there. */
  all(): readonly Peer[]
  /** Somebody is, or is still, there. */
  met(node: string, holding: { has?: Pieces }): void
  gained(node: string, piece: number): void
  /** It is not there any more. */
  lost(node: string): void
  isLost(node: string): boolean
  /** It said that it has not got a piece. */
  without(node: string, piece: number): void
  /** Do not ask it for so many ms; it is good for its pieces after that. */
  pause(node: string, ms: number): void
  /** Do not count on it for so many ms. */
  avoid(node: string, ms: number): void
  /** How many will be good for a piece, now or soon. Who has it but never says what it hashes to is not. */
  copies(piece: number): number
  /** Of those who have a piece, whose hash is known, and can be asked for it now, the least busy; undefined when there is none. */
  best(piece: number, except?: ReadonlySet<string>): Peer | undefined
  /** How many others do not have all of it: they want it too. */
  wanting(): number
}

export interface PeersInit {
  readonly now: () => number
  readonly none: () => Pieces
  /** Whether it is known what a piece hashes to. */
  readonly knows: (piece: number) => boolean
}

/** Pieces asked of one node at once. */
const askedAtOnce = 4
/** ms in which somebody who says nothing new is waited for to say what its pieces hash to */
const patienceMs = 2_000

interface Known extends Peer {
  has: Pieces
  heardAt: number
  pausedUntil: number
  avoidedUntil: number
  lost: boolean
}

/** Nobody is known yet. */
export function openPeers({ now, none, knows }: PeersInit): Peers {
  const known = new Map<string, Known>()
  const meet = (node: string): Known => {
    const peer = known.get(node) ?? {
      node,
      has: none(),
      asked: 0,
      pace: 0,
      sent: 0,
      failed: 0,
      heardAt: 0,
      pausedUntil: 0,
      avoidedUntil: 0,
      lost: false,
    }
    known.set(node, peer)
    return peer
  }
  const hear = (node: string): Known => {
    const peer = meet(node)
    peer.lost = false
    peer.heardAt = now()
    return peer
  }
  const there = (): Known[] => [...known.values()].filter((peer) => !peer.lost)
  const can = (peer: Known, piece: number): boolean => peer.has.has(piece) && peer.avoidedUntil <= now()
  return {
    all: there,
    met(node, { has }) {
      const peer = hear(node)
      if (has) peer.has = has
    },
    gained: (node, piece) => hear(node).has.add(piece),
    lost(node) {
      const peer = meet(node)
      peer.lost = true
      peer.has = none()
    },
    isLost: (node) => known.get(node)?.lost ?? false,
    without: (node, piece) => meet(node).has.drop(piece),
    pause(node, ms) {
      meet(node).pausedUntil = now() + ms
    },
    avoid(node, ms) {
      meet(node).avoidedUntil = now() + ms
    },
    copies: (piece) => there().filter((peer) => can(peer, piece) && (knows(piece) || now() - peer.heardAt < patienceMs)).length,
    best(piece, except) {
      if (!knows(piece)) return undefined
      const able = there().filter(
        (peer) => can(peer, piece) && peer.pausedUntil <= now() && peer.asked < askedAtOnce && !except?.has(peer.node),
      )
      return able.toSorted((one, other) => one.asked - other.asked || one.pace - other.pace)[0]
    },
    wanting: () => there().filter(({ has }) => has.held < has.count).length,
  }
}
