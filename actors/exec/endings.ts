interface Waiter<T> {
  readonly resolve: (how: T) => void
  readonly reject: (why: unknown) => void
}

/** Who waits for the end of what, by id. */
export class Endings<T> {
  readonly #waiting = new Map<string, Set<Waiter<T>>>()

  /** Resolves with how it ends, from now on; rejects when it has no end, and when told to give up. */
  of(id: string, options: { signal: AbortSignal }): Promise<T> {
    const { promise, resolve, reject } = Promise.withResolvers<T>()
    const waiting = this.#waiting.get(id) ?? new Set()
    const waiter = { resolve, reject }
    this.#waiting.set(id, waiting.add(waiter))
    const giveUp = () => reject(options.signal.reason)
    if (options.signal.aborted) giveUp()
    options.signal.addEventListener('abort', giveUp, { once: true })
    return promise.finally(() => {
      options.signal.removeEventListener('abort', giveUp)
      waiting.delete(waiter)
      if (waiting.size === 0 && this.#waiting.get(id) === waiting) this.#waiting.delete(id)
    })
  }

  /** It ended: tell everyone who waits. */
  tell(id: string, how: T): void {
    for (const { resolve } of this.#waiting.get(id) ?? []) resolve(how)
  }

  /** It will not end: tell everyone who waits why. */
  fail(id: string, why: unknown): void {
    for (const { reject } of this.#waiting.get(id) ?? []) reject(why)
  }
}
