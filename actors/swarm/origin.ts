import type { fetch } from '../../messages/fetch.ts'
import { type Client, Failure, isFailure } from '../../messages/grammar/index.ts'
import type { Holding } from '../../messages/swarm.ts'
import type { Descriptor } from '../../messages/words/index.ts'
import type { Agreement, Claim, Claims, Range, Taken } from './claims.ts'
import type { PieceFile } from './file.ts'
import type { Memory } from './memory.ts'
import { boundsOf } from './pieces.ts'
import { openPromises } from './promises.ts'
import type { Share } from './share.ts'
import { stripe } from './stripe.ts'
import { vouch } from './vouching.ts'

export interface OriginComponents {
  readonly fetch: Pick<Client<typeof fetch>, 'blob'>
  readonly claims: Claims
  readonly file: PieceFile
  readonly memory: Memory
  /** A piece was written by who reads the registry, and hashes to this; undefined where that is not known, or not what was said. */
  readonly landed: (piece: number, sha256: Uint8Array<ArrayBuffer> | undefined) => void
  /** Resolves once the others, if any, were told of all that is here: what is not claimed any more, and nobody is known to have, would be read again. */
  readonly vouched: () => Promise<void>
  /** What a node has of the blob, undefined when it is not there; asked of those whose claims, or whose pieces nobody has seen yet, keep us from reading. */
  readonly holding: (node: string, options: { signal: AbortSignal }) => Promise<Holding | undefined>
}

export interface Origin extends AsyncDisposable {
  /** Whether it is being read. */
  readonly reading: boolean
  /** Whether somebody else reads what is missing. */
  readonly waiting: boolean
  /** Why it could not be read when last tried; undefined since it could. */
  readonly why: Failure | undefined
  /** Read, unless it is being read, what nobody has and nobody else reads. */
  begin(): void
}

/** HTTP: asks for patience. */
const tooMany = 429
/** ms after which what others claim is looked at again, should they not say that they are done */
const lookMs = 1_000

/** The registry of a blob, read for this node and for all who share it. */
export function openOrigin(
  share: Share,
  { fetch, claims, file, memory, landed, vouched, holding }: OriginComponents,
  { name, descriptor }: { name: string; descriptor: Descriptor },
): Origin {
  const stop = new AbortController()
  const { size, here } = share
  let running: Promise<void> | undefined
  let waiting = false
  let why: Failure | undefined
  let last = 0
  let again = 0

  const promises = openPromises(share)
  const had = (piece: number): boolean => here.has(piece) || share.underway.has(piece) || share.available(piece)

  async function run(): Promise<void> {
    const wanted = (others: readonly Claim[], agreement: Agreement): Range | undefined => {
      waiting = others.length > 0
      const promised = (piece: number): boolean => had(piece) || promises.of(piece, agreement)
      return stripe(others, agreement, { count: here.count, had: promised, alone: share.peers.wanting() === 0, last })
    }
    await vouched()
    const range = await claims.take(wanted, { signal: stop.signal })
    if (!range) {
      await claims.release()
      if (!(await learned())) later()
      return
    }
    waiting = false
    try {
      await read(range)
      why = undefined
      last = range.to - range.from
    } catch (error) {
      if (!stop.signal.aborted && !range.lost.aborted) await failed(error)
    }
  }

  /**
   * Ask those who keep us from reading. Who died without a word is noticed so, long before its claim has been silent for long enough; and so is what somebody had before we were there to
   * hear of it. Answers whether anything came of it.
   */
  async function learned(): Promise<boolean> {
    const { agreed } = claims
    const claiming = agreed.claims.map(({ node }) => node).filter((node) => node !== share.node && !share.peers.isLost(node))
    const promising = promises.makers(agreed)
    const asked = [...new Set([...claiming, ...promising])].map(async (node) => {
      const told = await holding(node, { signal: stop.signal }).catch(() => null)
      if (told === undefined) share.peers.lost(node)
      else if (told) share.met(told)
      promises.asked(node, agreed)
      return told === undefined || promising.has(node)
    })
    return (await Promise.all(asked)).includes(true)
  }

  function later(): void {
    again = performance.now() + lookMs
    setTimeout(share.wake, lookMs + 1).unref()
  }

  async function read({ from, to, lost }: Taken): Promise<void> {
    const { end } = boundsOf(to - 1, size)
    for (let piece = from; piece < to; piece++) share.underway.add(piece)
    const lent = await file.lend(from)
    let next = from
    let reached = lent.offset
    const upTo = async (offset: number): Promise<void> => {
      share.sources.origin += offset - reached
      reached = offset
      // Whoever follows the file need not wait for a whole piece.
      if (lent.reached(offset)) share.wake()
      for (; next < to && boundsOf(next, size).end <= offset; next++) {
        const sha256 = share.company ? await checked(next) : undefined
        await lent.landed(next)
        share.underway.delete(next)
        landed(next, sha256)
      }
    }
    const checked = (piece: number): Promise<Uint8Array<ArrayBuffer> | undefined> =>
      memory.lend(async (into) => {
        const bytes = await lent.read(piece, { into })
        share.suspects.fromOrigin(piece, bytes)
        return vouch(share, piece, bytes)
      })
    const request = { name, descriptor, path: lent.path, offset: lent.offset, ...(end < size && { end }) }
    try {
      for await (const { offset } of fetch.blob(request, { signal: AbortSignal.any([stop.signal, lost]) })) await upTo(offset)
    } finally {
      for (let piece = next; piece < to; piece++) share.underway.delete(piece)
      await lent.done()
    }
  }

  async function failed(error: unknown): Promise<void> {
    const failure = Failure.from(error)
    const noRanges = isFailure(failure, 'unimplemented') && failure.details?.['reason'] === 'range'
    if (noRanges || failure.details?.['status'] === tooMany) await claims.whole()
    if (!noRanges) {
      why = failure
      await claims.release()
      later()
    }
  }

  return {
    get reading() {
      return running !== undefined
    },
    get waiting() {
      return waiting
    },
    get why() {
      return why
    },
    begin() {
      if (running || stop.signal.aborted || performance.now() < again) return
      running = run()
        .catch((error: unknown) => void (why = Failure.from(error)))
        .finally(() => {
          running = undefined
          share.wake()
        })
    },
    async [Symbol.asyncDispose]() {
      stop.abort(new Failure('cancelled', 'read a blob from its registry: it is not wanted any more'))
      await running?.catch(() => {})
      await claims.release()
    },
  }
}
