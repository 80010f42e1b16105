import type { Info } from '../../messages/content.ts'
import type { Log } from '../../messages/grammar/index.ts'
import type { Digest } from '../../messages/words/index.ts'
import type { Table, Tables } from '../../runtime/tables.ts'

/** Blobs on their way to the disk. Nobody waits for it; it is written down when they are there. */
export interface Durability extends AsyncDisposable {
  /** These are in their places, but perhaps in memory only. */
  owe(digests: Iterable<Digest>): void
  /** Resolves once all owed so far is written down, or failed. */
  settled(): Promise<void>
}

export interface DurabilityComponents {
  /** have everything of the file system on disk */
  readonly sync: () => Promise<void>
  /** write down that these are */
  readonly record: (digests: readonly Digest[]) => Promise<void>
  readonly log: Log
}

/**
 * One sync at a time, each for everything owed when it begins. It begins `delayMs` after the first that is owed, so that the blobs of one image share it
 * and it does not compete with their arrival. What a failed sync owed is owed to the next.
 */
export function openDurability(components: DurabilityComponents, init: { delayMs?: number } = {}): Durability {
  const { sync, record, log } = components
  const { delayMs = 2_000 } = init
  const owed = new Set<Digest>()
  let closed = false
  let timer: NodeJS.Timeout | undefined
  let running: Promise<void> | undefined

  async function pay(): Promise<void> {
    const batch = [...owed]
    owed.clear()
    try {
      await sync()
      await record(batch)
    } catch (error) {
      log.warn({ error, blobs: batch.length }, 'make blobs durable')
      if (!closed) for (const digest of batch) owed.add(digest)
    }
  }

  function begin(): void {
    timer = undefined
    running = pay().finally(() => {
      running = undefined
      plan()
    })
  }

  function plan(): void {
    if (closed || owed.size === 0 || timer !== undefined || running !== undefined) return
    timer = setTimeout(begin, delayMs).unref()
  }

  return {
    owe(digests) {
      for (const digest of digests) owed.add(digest)
      plan()
    },
    async settled() {
      await running
      clearTimeout(timer)
      timer = undefined
      if (owed.size > 0) begin()
      await running
    },
    async [Symbol.asyncDispose]() {
      closed = true
      clearTimeout(timer)
      await running
    },
  }
}

/** Write down, in one transaction, that blobs are on disk; those removed meanwhile are passed over. */
export const recordDurable =
  ({ tables, contents }: { tables: Tables; contents: Table<Info> }) =>
  (digests: readonly Digest[]): Promise<void> =>
    tables.transaction(() => {
      for (const digest of digests) {
        const info = contents.get(digest)
        if (info) contents.put(digest, { ...info, durable: true })
      }
    })
