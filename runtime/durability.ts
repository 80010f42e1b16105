import type { Log } from '../messages/grammar/index.ts'

/** Things on their way to the disk. Nobody waits for it; it is written down when they are there. */
export interface Durability extends AsyncDisposable {
  /** These are in their places, but perhaps in memory only. */
  owe(names: Iterable<string>): void
  /** Resolves once all owed so far is written down, or failed. */
  settled(): Promise<void>
}

export interface DurabilityComponents {
  /** have everything of the file system on disk */
  readonly sync: () => Promise<void>
  /** write down that these are */
  readonly record: (names: readonly string[]) => Promise<void>
  readonly log: Log
}

/**
 * One sync at a time, each for everything owed when it begins. It begins once nothing new was owed for `delayMs`, or `mostMs` after the first that is: so the parts of one
 * image share it, and it does not compete with their arrival. What a failed sync owed is owed to the next.
 */
export function openDurability(components: DurabilityComponents, init: { what: string; delayMs?: number; mostMs?: number }): Durability {
  const { sync, record, log } = components
  const { what, delayMs = 5_000, mostMs = 60_000 } = init
  const owed = new Set<string>()
  let closed = false
  let timer: NodeJS.Timeout | undefined
  let running: Promise<void> | undefined
  let latest = Number.POSITIVE_INFINITY

  async function pay(): Promise<void> {
    const batch = [...owed]
    owed.clear()
    try {
      await sync()
      await record(batch)
    } catch (error) {
      log.warn({ error, count: batch.length }, `make ${what} durable`)
      if (!closed) for (const name of batch) owed.add(name)
    }
  }

  function begin(): void {
    timer = undefined
    latest = Number.POSITIVE_INFINITY
    running = pay().finally(() => {
      running = undefined
      plan()
    })
  }

  function plan(): void {
    if (closed || owed.size === 0 || running !== undefined) return
    clearTimeout(timer)
    latest = Math.min(latest, performance.now() + mostMs)
    timer = setTimeout(begin, Math.max(0, Math.min(delayMs, latest - performance.now()))).unref()
  }

  return {
    owe(names) {
      for (const name of names) owed.add(name)
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
