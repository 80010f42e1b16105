/** Runs work when there is room; who came first goes first. */
export type Limit = <T>(work: () => Promise<T>, options: { signal: AbortSignal }) => Promise<T>

/**
 * At most `atOnce` works at a time. Giving up while waiting fails with the signal's reason and takes no room; work that runs is told by its own signal.
 */
export function limit(atOnce: number): Limit {
  const waiting: { go: () => void }[] = []
  let running = 0

  const room = async (signal: AbortSignal) => {
    signal.throwIfAborted()
    if (running < atOnce) return void running++
    const turn = Promise.withResolvers<void>()
    const place = { go: turn.resolve }
    const giveUp = () => {
      const at = waiting.indexOf(place)
      if (at < 0) return
      waiting.splice(at, 1)
      turn.reject(signal.reason)
    }
    waiting.push(place)
    signal.addEventListener('abort', giveUp, { once: true })
    await turn.promise.finally(() => signal.removeEventListener('abort', giveUp))
  }

  return async (work, { signal }) => {
    await room(signal)
    try {
      return await work()
    } finally {
      const next = waiting.shift()
      if (next) next.go()
      else running--
    }
  }
}
