import { given } from '../given.ts'

/** One at a time for each key, in the order asked. */
export interface Turns {
  /** Run `work` once all work taken for the key before is over. Gives up waiting when told to; once begun, `work` itself minds the signal. */
  take<R>(key: string, signal: AbortSignal | undefined, work: () => Promise<R>): Promise<R>
  /** Resolves when nothing runs and nothing waits. */
  idle(): Promise<void>
}

/** Nothing running yet. */
export function turns(): Turns {
  const last = new Map<string, Promise<void>>()
  return {
    async take(key, signal, work) {
      const before = last.get(key)
      const turn = Promise.withResolvers<void>()
      // Whoever gives up waiting leaves its place in the queue standing: the next one still waits for those before.
      const over = Promise.all([before, turn.promise]).then(() => {
        if (last.get(key) === over) last.delete(key)
      })
      last.set(key, over)
      try {
        if (before) await given(signal, before)
        signal?.throwIfAborted()
        return await work()
      } finally {
        turn.resolve()
      }
    },
    async idle() {
      while (last.size > 0) await Promise.all(last.values())
    },
  }
}
