import { setTimeout as delay } from 'node:timers/promises'
import { Failure, failures } from '../messages/grammar/index.ts'

/** How often, and how far apart. */
export interface RetryOptions {
  readonly signal?: AbortSignal | undefined
  /** tries in all (5) */
  readonly tries?: number | undefined
  /** ms the first pause is at most (200); each next one at most twice as long */
  readonly firstMs?: number | undefined
  /** ms no pause is longer than (10,000), unless the other side asked for more */
  readonly mostMs?: number | undefined
  /** Told of every failure that is tried again after. */
  readonly onRetry?: ((failure: Failure, pauseMs: number) => void) | undefined
}

/** ms a pause may be asked to last before it is no use waiting for. */
const unbearable = 60_000

/**
 * Do `work` until it succeeds, fails with something that trying again does not mend (the `retry` column of the failures), or has been tried
 * often enough; then the last failure stands. Pauses are random between nothing and a bound that doubles, so that many who failed together do
 * not come back together. A failure with the detail `retryAfterMs` is waited out that long, unless it is more than a minute.
 */
export async function retry<T>(work: (attempt: number) => Promise<T>, options: RetryOptions = {}): Promise<T> {
  const { signal, tries = 5, firstMs = 200, mostMs = 10_000, onRetry } = options
  for (let attempt = 1; ; attempt++) {
    signal?.throwIfAborted()
    try {
      return await work(attempt)
    } catch (error) {
      const failure = Failure.from(error)
      const asked = Number(failure.details?.['retryAfterMs'] ?? 0)
      if (!failures[failure.code].retry || attempt >= tries || asked > unbearable || signal?.aborted) throw error
      const pause = Math.max(asked, Math.random() * Math.min(mostMs, firstMs * 2 ** (attempt - 1)))
      onRetry?.(failure, pause)
      await pauseFor(pause, signal)
    }
  }
}

/** Given up while waiting, the signal's own reason stands. */
async function pauseFor(ms: number, signal: AbortSignal | undefined): Promise<void> {
  try {
    await delay(ms, undefined, { ...(signal && { signal }) })
  } catch (error) {
    signal?.throwIfAborted()
    throw error
  }
}
