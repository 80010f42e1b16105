/** Who watches an ingest is woken when it changes. */
export interface Changes {
  watch(id: string): Watch
  /** `over` when it ended, or was started over: nobody rests on that. */
  tell(id: string, options?: { over?: boolean }): void
}

/** One who watches. Changes between two looks are one. */
export interface Watch extends Disposable {
  /** Resolves when something changed since it last did. */
  changed(options: { signal: AbortSignal }): Promise<void>
  /** Resolves after `ms`, or once it is over. */
  rest(ms: number, options: { signal: AbortSignal }): Promise<void>
}

type Wake = (over: boolean) => void

export function openChanges(): Changes {
  const watching = new Map<string, Set<Wake>>()
  return {
    tell(id, { over = false } = {}) {
      for (const wake of watching.get(id) ?? []) wake(over)
    },
    watch(id) {
      const all = watching.get(id) ?? new Set()
      watching.set(id, all)
      const watcher = makeWatch(() => {
        all.delete(watcher.wake)
        if (all.size === 0 && watching.get(id) === all) watching.delete(id)
      })
      all.add(watcher.wake)
      return watcher.watch
    },
  }
}

function makeWatch(leave: () => void): { watch: Watch; wake: Wake } {
  let over = false
  let due = false
  let woken = () => {}

  /** Resolves when woken and `enough`, or after `ms`; rejects when told to give up. */
  function until(enough: () => boolean, signal: AbortSignal, ms?: number): Promise<void> {
    signal.throwIfAborted()
    if (enough()) return Promise.resolve()
    const { promise, resolve, reject } = Promise.withResolvers<void>()
    const giveUp = () => reject(signal.reason)
    const timer = ms === undefined ? undefined : setTimeout(resolve, ms)
    signal.addEventListener('abort', giveUp, { once: true })
    woken = () => enough() && resolve()
    return promise.finally(() => {
      clearTimeout(timer)
      signal.removeEventListener('abort', giveUp)
    })
  }

  return {
    wake(told) {
      over ||= told
      due = true
      woken()
    },
    watch: {
      async changed({ signal }) {
        await until(() => due, signal)
        due = false
      },
      rest: (ms, { signal }) => until(() => over, signal, ms),
      [Symbol.dispose]: leave,
    },
  }
}
