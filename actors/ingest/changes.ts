import type { Digest } from '../../messages/words/index.ts'

/** How an ingest ended. Started over is an end too, for those who read what it had. */
type Ending =
  | { readonly state: 'committed'; readonly digest: Digest; readonly size: number }
  | { readonly state: 'aborted'; readonly why: string }

/** Who watches an ingest is woken when it changes. */
export interface Changes {
  watch(reference: string): Watch
  tell(reference: string, ending?: Ending): void
}

/** One who watches. Changes between two looks are one. */
interface Watch extends Disposable {
  readonly ending: Ending | undefined
  /** Resolves when something changed since it last did. */
  changed(options: { signal: AbortSignal }): Promise<void>
  /** Resolves after `ms`, or when the end comes. */
  rest(ms: number, options: { signal: AbortSignal }): Promise<void>
}

export function openChanges(): Changes {
  const watching = new Map<string, Set<(ending: Ending | undefined) => void>>()
  return {
    tell(reference, ending) {
      for (const wake of watching.get(reference) ?? []) wake(ending)
    },
    watch(reference) {
      const all = watching.get(reference) ?? new Set()
      watching.set(reference, all)
      const watcher = makeWatch(() => {
        all.delete(watcher.wake)
        if (all.size === 0 && watching.get(reference) === all) watching.delete(reference)
      })
      all.add(watcher.wake)
      return watcher.watch
    },
  }
}

function makeWatch(leave: () => void): { watch: Watch; wake: (ending: Ending | undefined) => void } {
  let ending: Ending | undefined
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
      ending ??= told
      due = true
      woken()
    },
    watch: {
      get ending() {
        return ending
      },
      async changed({ signal }) {
        await until(() => due, signal)
        due = false
      },
      rest: (ms, { signal }) => until(() => ending !== undefined, signal, ms),
      [Symbol.dispose]: leave,
    },
  }
}
