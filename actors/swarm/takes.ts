import { Failure } from '../../messages/grammar/index.ts'
import { given } from '../../runtime/given.ts'
import type { Memory, ReadOptions } from './memory.ts'
import type { Peer } from './peers.ts'
import { boundsOf } from './pieces.ts'
import type { Share } from './share.ts'
import type { Turns } from './turns.ts'

/** How pieces are taken from other nodes. */
export interface TakesComponents {
  /** Ask a node for bytes of the blob: a piece, at most. */
  readonly read: (node: string, range: { offset: number; length: number }, options: ReadOptions) => Promise<Uint8Array>
  /** Piece and bytes are right: keep them. */
  readonly land: (piece: number, bytes: Uint8Array, from: string) => Promise<void>
  /** Whether a failure means that the node is not there any more. */
  readonly gone: (error: unknown) => boolean
  readonly now: () => number
  readonly random: () => number
  readonly memory: Memory
  /** shared with the takes of other blobs */
  readonly turns: Turns
  /** ms a piece may take before its sender is left alone for a while */
  readonly patienceMs: number
}

/** Pieces being taken from others. Disposing it gives them up. */
export interface Takes extends AsyncDisposable {
  /** How many at the moment. */
  readonly running: number
  /** Begin whatever can be begun. Rarest pieces first; one that takes long is asked of another too. */
  begin(): void
}

/** Pieces of one blob on their way at once: what they take of memory. */
const atOnce = 12
/** ms */
const pausedMs = { busy: 100, slow: 500 }
/** ms */
const avoidedMs = { silent: 10_000, suspect: 2_000 }
/** Failures in a row after which who has sent pieces before is not counted on any more. */
const patientTimes = 12
/** A piece that takes longer than so many others did is asked of another node too; but not before so many ms. */
const hedge = { times: 4, leastMs: 300 }

interface Take {
  readonly since: number
  readonly of: Set<string>
}

export function openTakes(share: Share, components: TakesComponents): Takes {
  const { read, land, gone, memory, turns, now, random, patienceMs } = components
  const { suspects } = share
  const stop = new AbortController()
  const taking = new Map<number, Take>()
  const running = new Set<Promise<void>>()
  /** right, and being written */
  const landing = new Set<number>()
  let paces: number[] = []

  const usual = (): number => paces.toSorted((one, other) => one - other)[paces.length >> 1] ?? hedge.leastMs

  /** The piece the fewest have, any of them; and whom to ask. */
  function choose(): { piece: number; peer: Peer } | undefined {
    if (!share.peers.able()) return undefined
    let best: { piece: number; peer: Peer; copies: number } | undefined
    const { count } = share.here
    const begin = Math.floor(random() * count)
    for (let index = 0; index < count && best?.copies !== 1; index++) {
      const piece = (begin + index) % count
      if (share.here.has(piece) || share.underway.has(piece)) continue
      const copies = share.peers.copies(piece)
      if (copies === 0 || (best && copies >= best.copies)) continue
      const peer = share.peers.best(piece, suspects.of(piece))
      if (peer) best = { piece, peer, copies }
    }
    return best
  }

  /** A piece that has been on its way for too long, and another who has it. */
  function late(): { piece: number; peer: Peer } | undefined {
    const longest = Math.max(hedge.leastMs, usual() * hedge.times)
    for (const [piece, { since, of }] of taking) {
      if (now() - since < longest || of.size > 1 || landing.has(piece)) continue
      const peer = share.peers.best(piece, of)
      if (peer) return { piece, peer }
    }
    return undefined
  }

  async function take(piece: number, peer: Peer): Promise<void> {
    const entry = taking.get(piece) ?? { since: now(), of: new Set() }
    taking.set(piece, entry)
    share.underway.add(piece)
    entry.of.add(peer.node)
    peer.asked++
    const since = now()
    try {
      await memory.lend(async (into) => {
        const bytes = await whole(piece, peer.node, into)
        if (share.here.has(piece) || landing.has(piece)) return
        if (!share.map.fits(piece, bytes)) return wrong(piece, peer)
        suspects.right(piece)
        peer.pace = now() - since
        peer.sent++
        peer.failed = 0
        paces = [...paces.slice(-31), peer.pace]
        landing.add(piece)
        await land(piece, bytes, peer.node).finally(() => landing.delete(piece))
      })
    } catch (error) {
      if (!stop.signal.aborted) failed(peer, piece, error)
    } finally {
      peer.asked--
      entry.of.delete(peer.node)
      if (entry.of.size === 0) {
        taking.delete(piece)
        share.underway.delete(piece)
      }
    }
  }

  async function whole(piece: number, node: string, into: Uint8Array<ArrayBuffer>): Promise<Uint8Array> {
    const { start, end } = boundsOf(piece, share.size)
    const signal = AbortSignal.any([stop.signal, AbortSignal.timeout(patienceMs)])
    return await given(signal, read(node, { offset: start, length: end - start }, { signal, into }))
  }

  /** It may be its fault, or that of who said what the piece hashes to: others come first until it is known. */
  function wrong(piece: number, { node }: Peer): void {
    if (!share.map.knows(piece)) return
    suspects.wrong(piece, node)
    later(share.peers.pause, node, avoidedMs.suspect)
  }

  function failed(peer: Peer, piece: number, error: unknown): void {
    const { node } = peer
    const { code } = Failure.from(error)
    if (gone(error)) share.peers.lost(node)
    else if (code === 'not_found') share.peers.without(node, piece)
    else if (code === 'resource_exhausted') later(share.peers.pause, node, pausedMs.busy * (1 + random()))
    // Who has sent something is overloaded sooner than gone.
    else if (++peer.failed < patientTimes && peer.sent > 0) later(share.peers.pause, node, pausedMs.slow * peer.failed)
    else later(share.peers.avoid, node, avoidedMs.silent)
  }

  function later(leave: (node: string, ms: number) => void, node: string, ms: number): void {
    leave(node, ms)
    setTimeout(share.wake, ms + 1).unref()
  }

  // Whether one is late nobody tells.
  const watch = setInterval(() => taking.size > 0 && late() && share.wake(), hedge.leastMs).unref()

  return {
    get running() {
      return running.size
    },
    begin() {
      while (running.size < atOnce && !stop.signal.aborted) {
        const next = choose() ?? late()
        const over = next && turns.begin(share.wake)
        if (!over) return
        const one = take(next.piece, next.peer).finally(() => {
          running.delete(one)
          over()
          share.wake()
        })
        running.add(one)
      }
    },
    async [Symbol.asyncDispose]() {
      stop.abort(new Failure('cancelled', 'take pieces of others: the blob is not wanted any more'))
      clearInterval(watch)
      await Promise.allSettled(running)
    },
  }
}
