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
  /** Somebody is, or is still, there. What it has is added to what it was heard to have: an answer may be older than what was told before it came. */
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
  /** Whether anybody can be asked for anything now. */
  able(): boolean
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
/** Others that are kept in mind for one blob; any more are strangers. */
const mostPeers = 1_000

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
  const tally = openTally(none().count, now, known)

  function meet(node: string): Known | undefined {
    const peer = known.get(node) ?? (makePlace() ? newcomer(node, none()) : undefined)
    if (peer) known.set(node, peer)
    return peer
  }
  /** Who is not there any more makes place for others. */
  function makePlace(): boolean {
    if (known.size < mostPeers) return true
    const gone = [...known.values()].find(({ lost }) => lost)
    return gone !== undefined && known.delete(gone.node)
  }
  function hear(node: string): Known | undefined {
    const peer = meet(node)
    if (!peer) return undefined
    peer.lost = false
    peer.heardAt = now()
    return peer
  }
  const there = (): Known[] => [...known.values()].filter((peer) => !peer.lost)
  const free = (peer: Known): boolean => !peer.lost && peer.avoidedUntil <= now() && peer.pausedUntil <= now() && peer.asked < askedAtOnce
  const mayStillSay = (piece: number): number =>
    there().filter((peer) => peer.has.has(piece) && peer.avoidedUntil <= now() && now() - peer.heardAt < patienceMs).length

  return {
    met(node, { has }) {
      const peer = hear(node)
      if (!peer || !has) return
      for (let piece = 0; piece < has.count; piece++) if (has.has(piece)) peer.has.add(piece)
      tally.stale()
    },
    gained(node, piece) {
      const peer = hear(node)
      if (!peer || peer.has.has(piece)) return
      peer.has.add(piece)
      tally.one(peer, piece)
    },
    lost(node) {
      const peer = meet(node)
      if (!peer) return
      peer.lost = true
      peer.has = none()
      tally.stale()
    },
    isLost: (node) => known.get(node)?.lost ?? false,
    without(node, piece) {
      known.get(node)?.has.drop(piece)
      tally.stale()
    },
    pause(node, ms) {
      const peer = meet(node)
      if (peer) peer.pausedUntil = now() + ms
    },
    avoid(node, ms) {
      const peer = meet(node)
      if (peer) peer.avoidedUntil = now() + ms
      tally.stale()
    },
    copies: (piece) => (knows(piece) ? tally.of(piece) : mayStillSay(piece)),
    able: () => known.values().some(free),
    best(piece, except) {
      if (!knows(piece)) return undefined
      const able = [...known.values()].filter((peer) => free(peer) && peer.has.has(piece) && !except?.has(peer.node))
      return able.toSorted((one, other) => one.asked - other.asked || one.pace - other.pace)[0]
    },
    wanting: () => there().filter(({ has }) => has.held < has.count).length,
  }
}

const newcomer = (node: string, has: Pieces): Known => ({
  node,
  has,
  asked: 0,
  pace: 0,
  sent: 0,
  failed: 0,
  heardAt: 0,
  pausedUntil: 0,
  avoidedUntil: 0,
  lost: false,
})

/** How many have each piece, of those who are there and not avoided. Looked at for every piece whenever anything changes, so it is kept and not counted. */
function openTally(count: number, now: () => number, known: ReadonlyMap<string, Known>) {
  const copies = new Uint16Array(count)
  /** when somebody is not avoided any more; 0: count at once */
  let goodUntil = 0
  function counted(): Uint16Array {
    if (now() < goodUntil) return copies
    goodUntil = Number.POSITIVE_INFINITY
    copies.fill(0)
    for (const { lost, avoidedUntil, has } of known.values()) {
      if (lost) continue
      if (avoidedUntil > now()) {
        goodUntil = Math.min(goodUntil, avoidedUntil)
        continue
      }
      for (let piece = 0; piece < count; piece++) if (has.has(piece)) copies[piece] = (copies[piece] ?? 0) + 1
    }
    return copies
  }
  return {
    of: (piece: number): number => counted()[piece] ?? 0,
    stale: () => void (goodUntil = 0),
    /** Somebody who is there has one more. */
    one(peer: Known, piece: number) {
      if (goodUntil === 0 || peer.avoidedUntil > now() || !peer.has.has(piece)) return
      copies[piece] = (copies[piece] ?? 0) + 1
    },
  }
}
