/**
 * The answers of `work` for all of `things`, as they come, at most `atOnce` under way. Things are taken when there is room for them. The first failure, and leaving early, ends it: the signal tells
 * what is under way, and that is waited for.
 */
export async function* beside<T, R>(
  things: AsyncIterable<T>,
  work: (thing: T, options: { signal: AbortSignal }) => Promise<R>,
  { atOnce, signal: given }: { atOnce: number; signal: AbortSignal },
): AsyncGenerator<R> {
  const leaving = new AbortController()
  const signal = AbortSignal.any([given, leaving.signal])
  const underWay = new Set<Promise<{ done: () => R }>>()
  const begin = (thing: T): void => {
    const running: Promise<{ done: () => R }> = work(thing, { signal }).then(
      (result) => ({ done: () => finished(running, () => result) }),
      (error: unknown) => ({
        done: () =>
          finished(running, () => {
            throw error
          }),
      }),
    )
    underWay.add(running)
  }
  const finished = (running: Promise<{ done: () => R }>, result: () => R): R => {
    underWay.delete(running)
    return result()
  }
  try {
    for await (const thing of things) {
      begin(thing)
      while (underWay.size >= atOnce) yield (await Promise.race(underWay)).done()
    }
    while (underWay.size > 0) yield (await Promise.race(underWay)).done()
  } finally {
    leaving.abort()
    await Promise.all(underWay)
  }
}
