import { subject } from '../../messages/grammar/index.ts'
import { given } from '../given.ts'
import type { Bus } from './bus.ts'
import { encode } from './codec.ts'

/** How far a feed may run ahead of its reader: so many items, and as many more as the reader has taken. */
export class Pace {
  #left: number
  #wake = (): void => {}
  #heard = true

  /** A reader that does not count, a person at a terminal, gives no window: then there is no bound. */
  constructor(window: number | undefined) {
    this.#left = window ?? Number.POSITIVE_INFINITY
  }

  /** Resolves when one more item may be sent. Rejects with the signal's reason. */
  async take(signal: AbortSignal): Promise<void> {
    while (this.#left <= 0) {
      const more = new Promise<void>((resolve) => {
        this.#wake = resolve
      })
      await given(signal, more)
    }
    this.#left -= 1
  }

  /** The reader took some; none is only a sign of its life. */
  allow(items: number): void {
    this.#left += items
    this.#heard = true
    if (items > 0) this.#wake()
  }

  /** Whether the reader has been heard since this was last asked. */
  heard(): boolean {
    const heard = this.#heard
    this.#heard = false
    return heard
  }
}

/** Where the readers of a node's feeds say how far they are. The payload is `{call, items}`. */
export const paceSubject = (root: string, node: string): string => subject(root, node, 'bus', 'pace')

/** Say it. Never fails: when the bus is away, so is the feed. */
export function allow(bus: Bus, node: string, call: string, items: number): void {
  try {
    bus.publish(paceSubject(bus.root, node), { headers: {}, payload: encode({ call, items }, 'json') })
  } catch {
    // Nobody to tell.
  }
}
