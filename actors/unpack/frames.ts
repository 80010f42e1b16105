/** A source several take from, one after another, where each may be given more than it uses. */
export class Frames {
  readonly #source: AsyncGenerator<Buffer>
  /** from the first byte not known to be used */
  readonly #held: Buffer[] = []
  /** bytes the one at hand has used that are not held any more */
  #dropped = 0

  constructor(source: AsyncGenerator<Buffer>) {
    this.#source = source
  }

  /** What the one before left, then what comes. `used` says how much of it is used by now. */
  async *pieces(used: () => number): AsyncGenerator<Buffer> {
    this.#dropped = 0
    for (let at = 0; ; at++) {
      at -= this.#dropWhole(used())
      const piece = this.#held[at] ?? (await this.#take())
      if (piece === undefined) return
      yield piece
    }
  }

  /** The one at hand is done, and used so many bytes in all; whether there are any left for another. */
  async next(used: number): Promise<boolean> {
    this.#dropWhole(used)
    const [first] = this.#held
    if (first !== undefined && used > this.#dropped) this.#held[0] = first.subarray(used - this.#dropped)
    return this.#held.length > 0 || (await this.#take()) !== undefined
  }

  async #take(): Promise<Buffer | undefined> {
    const next = await this.#source.next()
    if (next.done) return undefined
    this.#held.push(next.value)
    return next.value
  }

  /** Let go of pieces used whole; how many. */
  #dropWhole(used: number): number {
    let count = 0
    for (let [first] = this.#held; first !== undefined && this.#dropped + first.length <= used; [first] = this.#held) {
      this.#dropped += first.length
      this.#held.shift()
      count++
    }
    return count
  }
}
