/** What is being answered: who may stop it, and when it is over. */
import { randomUUID } from 'node:crypto'
import { cancelSubject, Failure } from '../../messages/grammar/index.ts'
import type { Bus, Interest, Packet } from './bus.ts'
import { decode, encode } from './codec.ts'
import { type Pace, paceSubject } from './pace.ts'

/** Signs of life either side of a feed may miss before it takes the other for dead. */
export const missable = 4

/** One request at work. Disposing it says that it is over. */
export interface Running extends Disposable {
  /** Aborted when the caller gives up, the time given has passed, or the server stops; the reason is the failure to answer with. */
  readonly signal: AbortSignal
  /** Stop it for another reason. */
  stop(why: Failure): void
  /** Let the reader set the pace from now on. */
  follow(pace: Pace): void
}

/** The requests one server has at work. Disposing it stops them all and waits until each is over. */
export class Inflight implements AsyncDisposable {
  readonly ready: Promise<void>
  readonly #interests: readonly Interest[]
  readonly #running = new Map<string, { controller: AbortController; pace?: Pace }>()
  #emptied = Promise.withResolvers<void>()
  #stopped = false

  constructor(bus: Bus, node: string) {
    const cancelled = bus.subscribe(cancelSubject(bus.root), (delivery) => {
      this.#running.get(wordOf(delivery).call)?.controller.abort(new Failure('cancelled', 'the caller gave up'))
    })
    const taken = bus.subscribe(paceSubject(bus.root, node), (delivery) => {
      const { call, items } = wordOf(delivery)
      this.#running.get(call)?.pace?.allow(items)
    })
    this.#interests = [cancelled, taken]
    this.ready = Promise.all(this.#interests.map(({ ready }) => ready)).then(() => {})
  }

  /**
   * The one place where a handler's signal is made. One controller a request, which the caller's word, the deadline and the
   * shutdown all abort: a signal derived from one that lives as long as the server would be kept as long.
   */
  run(call: string, timeoutMs: number | undefined): Running {
    const controller = new AbortController()
    if (this.#stopped) controller.abort(stopping())
    const late = () => controller.abort(new Failure('deadline_exceeded', `not done within the ${timeoutMs} ms the caller gave`))
    const timer = timeoutMs === undefined ? undefined : setTimeout(late, timeoutMs)
    const entry: { controller: AbortController; pace?: Pace } = { controller }
    // An id is the caller's choice, and two may choose the same: the second cannot be told to stop, but is not forgotten.
    const key = this.#running.has(call) ? randomUUID() : call
    this.#running.set(key, entry)
    return {
      signal: controller.signal,
      stop: (why) => controller.abort(why),
      follow: (pace) => {
        entry.pace = pace
      },
      [Symbol.dispose]: () => {
        clearTimeout(timer)
        this.#running.delete(key)
        if (this.#running.size === 0) this.#emptied.resolve()
      },
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stopped = true
    await Promise.all(this.#interests.map((interest) => interest[Symbol.asyncDispose]()))
    for (const { controller } of this.#running.values()) controller.abort(stopping())
    if (this.#running.size > 0) {
      this.#emptied = Promise.withResolvers()
      await this.#emptied.promise
    }
  }
}

/** Tell whoever answers a call that its caller gave up. Never fails: when the bus is away, so is the answer. */
export function cancel(bus: Bus, call: string): void {
  try {
    bus.publish(cancelSubject(bus.root), { headers: {}, payload: encode({ call }, 'json') })
  } catch {
    // Nobody to tell.
  }
}

/** What a caller says about a request at work. Anybody may say anything here, and what makes no sense is about none. */
function wordOf(packet: Packet): { call: string; items: number } {
  try {
    const said: unknown = decode(packet)
    const { call, items } = Object.assign({ call: '', items: 0 }, said)
    return { call: String(call), items: Number.isSafeInteger(items) && items > 0 ? items : 0 }
  } catch {
    return { call: '', items: 0 }
  }
}

const stopping = (): Failure => new Failure('unavailable', 'the node is stopping')
