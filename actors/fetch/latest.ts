/** The newest of many values: whoever is slow skips the ones between, never the last. */
export interface Latest<T> extends AsyncIterable<T> {
  set(value: T): void
  /** No more values; with an error, the reader gets it after the last one. */
  end(error?: unknown): void
}

/** For one reader. */
export function latest<T>(): Latest<T> {
  let waiting: { value: T } | undefined
  let over: { error: unknown } | undefined
  let changed = Promise.withResolvers<void>()
  return {
    set(value) {
      waiting = { value }
      changed.resolve()
    },
    end(error) {
      over ??= { error }
      changed.resolve()
    },
    async *[Symbol.asyncIterator]() {
      while (true) {
        await changed.promise
        changed = Promise.withResolvers()
        if (waiting) {
          const { value } = waiting
          waiting = undefined
          if (over) changed.resolve()
          yield value
        } else if (over?.error !== undefined) throw over.error
        else if (over) return
      }
    },
  }
}
