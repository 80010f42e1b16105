import { Failure, type Log } from '../../messages/grammar/index.ts'
import type { Digest } from '../../messages/words/index.ts'
import type { BringRequest, Brought, Transfer } from './transfer.ts'

/** The blobs on their way to this node, each once. */
export interface Transfers extends AsyncDisposable {
  /** The one of a blob: being brought, given up a while ago, or whole and not content yet. */
  get(digest: Digest): Transfer | undefined
  /**
   * Bring a blob. One that was given up goes on with what it has; one that is being brought is taken over. Given up or whole, it goes on being served, until it is ended or nobody has asked
   * for it for `lingerMs`.
   */
  bring(request: BringRequest, options: { signal: AbortSignal }): AsyncIterable<Brought>
  /** Serve it no more, and forget what was gathered. */
  end(digest: Digest): Promise<void>
  /** It is content now: end it, though not before who brings it has been told all. */
  settled(digest: Digest): void
}

export interface TransfersComponents {
  readonly open: (blob: { digest: Digest; size: number }) => Promise<Transfer>
  /** One is there to be asked for, and is not any more. */
  readonly opened: (digest: Digest) => void
  readonly ended: (digest: Digest) => void
  readonly log: Log
}

/** ms after which what was given up, or never became content, is forgotten; long enough for a server of the bus to come back */
const lingerMs = 120_000

interface Entry {
  readonly size: number
  readonly transfer: Promise<Transfer>
  /** while it is being brought */
  running?: { readonly taken: AbortController; readonly over: Promise<void> }
  lingering?: NodeJS.Timeout | undefined
  settled?: true
  /** the transfer once it is there */
  there?: Transfer
}

/** None yet. */
export function openTransfers({ open, opened, ended, log }: TransfersComponents): Transfers {
  const entries = new Map<Digest, Entry>()

  async function end(digest: Digest, entry = entries.get(digest)): Promise<void> {
    if (!entry) return
    if (entries.get(digest) === entry) entries.delete(digest)
    clearTimeout(entry.lingering)
    entry.running?.taken.abort(new Failure('cancelled', `bring ${digest}: it is here, or not wanted any more`))
    await entry.running?.over
    await (await entry.transfer.catch(() => undefined))?.[Symbol.asyncDispose]()
    if (!entries.has(digest)) ended(digest)
  }
  const endSoon = (digest: Digest, entry: Entry): void => {
    end(digest, entry).catch((error: unknown) => log.warn({ err: error, digest }, 'end a transfer'))
  }

  /** The one there is, its run of before stopped; or a new one. */
  async function takeUp({ digest, size }: { digest: Digest; size: number }): Promise<Entry> {
    for (let entry = entries.get(digest); entry; entry = entries.get(digest)) {
      if (entry.size !== size) {
        await end(digest, entry)
        continue
      }
      if (!entry.running) return entry
      entry.running.taken.abort(new Failure('cancelled', `bring ${digest}: it was asked for again`))
      await entry.running.over
    }
    const entry: Entry = { size, transfer: open({ digest, size }) }
    entries.set(digest, entry)
    return entry
  }

  return {
    get: (digest) => entries.get(digest)?.there,
    async *bring(request, { signal }) {
      signal.throwIfAborted()
      const { digest } = request.descriptor
      const entry = await takeUp(request.descriptor)
      const taken = new AbortController()
      const over = Promise.withResolvers<void>()
      entry.running = { taken, over: over.promise }
      clearTimeout(entry.lingering)
      try {
        entry.there = await entry.transfer
        yield* entry.there.run(request, { signal: AbortSignal.any([signal, taken.signal]), asked: () => opened(digest) })
      } finally {
        delete entry.running
        if (!entry.there) entries.delete(digest)
        else if (entries.get(digest) === entry) entry.lingering = setTimeout(endSoon, entry.settled ? 0 : lingerMs, digest, entry).unref()
        over.resolve()
      }
    },
    end: (digest) => end(digest),
    settled(digest) {
      const entry = entries.get(digest)
      if (!entry) return
      entry.settled = true
      if (!entry.running) endSoon(digest, entry)
    },
    async [Symbol.asyncDispose]() {
      await Promise.all([...entries.keys()].map((digest) => end(digest)))
    },
  }
}
