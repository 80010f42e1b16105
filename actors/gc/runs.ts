/** Runs of one thing, of which at most one is under way. */
export interface Runs<R> extends AsyncDisposable {
  /** A run that begins after this was asked: now, or when the one under way is over; all who ask meanwhile share it. */
  ask(): Promise<R>
}

/** Disposing it aborts the run under way, and waits for it. */
export function openRuns<R>(run: (options: { signal: AbortSignal }) => Promise<R>): Runs<R> {
  const closing = new AbortController()
  let current: Promise<R> | undefined
  let next: Promise<R> | undefined

  async function begin(): Promise<R> {
    closing.signal.throwIfAborted()
    return await run({ signal: closing.signal })
  }
  function start(): Promise<R> {
    const started = begin().finally(() => {
      if (current === started) current = undefined
    })
    current = started
    return started
  }
  async function startAfter(before: Promise<R>): Promise<R> {
    await before.catch(() => {})
    next = undefined
    return await start()
  }

  return {
    ask() {
      if (next) return next
      if (!current) return start()
      next = startAfter(current)
      return next
    },
    async [Symbol.asyncDispose]() {
      closing.abort()
      await Promise.allSettled([current, next])
    },
  }
}
