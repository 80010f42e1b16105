/** Reports while it works, and ends with what it came to. */
export type Work<P, R> = (report: (progress: P) => void, signal: AbortSignal) => Promise<R>

/**
 * The reports of a work, no two within `everyMs` of each other, then its result. A report that comes too soon is dropped: the next says
 * more. Leaving early, like the signal, tells the work to give up, and waits until it has.
 */
export async function* withProgress<P, R>(
  work: Work<P, R>,
  { everyMs, signal }: { everyMs: number; signal: AbortSignal },
): AsyncGenerator<P | R> {
  const left = new AbortController()
  let latest: P | undefined
  let last = performance.now()
  let reported = Promise.withResolvers<void>()
  const report = (progress: P): void => {
    const now = performance.now()
    if (now - last < everyMs) return
    last = now
    latest = progress
    reported.resolve()
  }
  const result = work(report, AbortSignal.any([signal, left.signal]))
  const ended = result.then(
    () => true,
    () => true,
  )
  try {
    while (!(await Promise.race([ended, reported.promise]))) {
      reported = Promise.withResolvers()
      if (latest !== undefined) yield latest
      latest = undefined
    }
    yield await result
  } finally {
    left.abort()
    await ended
  }
}
