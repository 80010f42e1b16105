/** Reports while it works, and ends with what it came to. */
export type Work<P, R> = (report: (progress: P) => void, signal: AbortSignal) => Promise<R>

/**
 * The reports of a work, no two within `everyMs` of each other, then its result. Of reports that come too soon the latest is kept, and given when
 * it is time. Leaving early, like the signal, tells the work to give up, and waits until it has.
 */
export async function* withProgress<P, R>(
  work: Work<P, R>,
  { everyMs, signal }: { everyMs: number; signal: AbortSignal },
): AsyncGenerator<P | R> {
  const left = new AbortController()
  using pace = paced<P>(everyMs)
  const result = work(pace.report, AbortSignal.any([signal, left.signal]))
  const ended = result.then(
    () => undefined,
    () => undefined,
  )
  try {
    for (let next = await Promise.race([pace.next(), ended]); next !== undefined; next = await Promise.race([pace.next(), ended]))
      yield next.report
    yield await result
  } finally {
    left.abort()
    await ended
  }
}

interface Pace<P> extends Disposable {
  readonly report: (progress: P) => void
  /** The latest report, when there is one that was not given and it is time. */
  next(): Promise<{ report: P }>
}

function paced<P>(everyMs: number): Pace<P> {
  let due = Promise.withResolvers<void>()
  let timer: NodeJS.Timeout | undefined
  let latest: P
  let last = performance.now()
  const give = (): void => {
    timer = undefined
    last = performance.now()
    due.resolve()
  }
  return {
    report(progress) {
      latest = progress
      timer ??= setTimeout(give, Math.max(1, last + everyMs - performance.now()))
    },
    async next() {
      await due.promise
      due = Promise.withResolvers()
      return { report: latest }
    },
    [Symbol.dispose]: () => clearTimeout(timer),
  }
}
