import { setImmediate } from 'node:timers'
import { Failure } from '../../messages/grammar/index.ts'
import type { Bus, Delivery, Interest, Packet, Sending } from './bus.ts'
import { matches } from './matches.ts'
import { checkSize, checkSubject, nobody } from './packet.ts'
import { Replies } from './replies.ts'

/** One standing interest. */
interface Listener {
  readonly pattern: string
  readonly queue: string | undefined
  readonly handler: (delivery: Delivery) => void
}

/**
 * A bus within one thread, for unit tests: the same behaviour as NATS, as the conformance suite checks, without a server.
 * Packets are delivered in order, after the sender's turn of the event loop.
 */
export function memoryBus(options: { root?: string; maxPayload?: number } = {}): Bus {
  return new MemoryBus(options.root ?? 'gantry', options.maxPayload ?? 1024 * 1024)
}

class MemoryBus implements Bus {
  readonly server = 'memory'
  readonly root: string
  readonly maxPayload: number
  readonly #listeners = new Set<Listener>()
  readonly #waiting = new Set<Replies>()
  readonly #flushed: (() => void)[] = []
  #closed = false
  #turn = 0
  #due: (() => void)[] = []

  constructor(root: string, maxPayload: number) {
    this.root = root
    this.maxPayload = maxPayload
  }

  async request(subject: string, packet: Packet, sending: Sending): Promise<Packet> {
    await using replies = this.#ask(subject, packet, sending)
    return await replies.next()
  }

  async *requestMany(subject: string, packet: Packet, sending: Sending): AsyncIterable<Packet> {
    await using replies = this.#ask(subject, packet, sending)
    while (true) yield await replies.next()
  }

  publish(subject: string, packet: Packet): void {
    this.#check(packet, `publish on ${subject}`)
    this.#send(subject, packet, undefined)
  }

  subscribe(subject: string, handler: (delivery: Delivery) => void, options: { queue?: string | undefined } = {}): Interest {
    const listener = { pattern: subject, queue: options.queue, handler }
    this.#listeners.add(listener)
    return {
      ready: Promise.resolve(),
      [Symbol.asyncDispose]: async () => {
        this.#listeners.delete(listener)
      },
    }
  }

  onStatus(): Disposable {
    return { [Symbol.dispose]: () => {} }
  }

  async flush(): Promise<void> {
    if (this.#due.length > 0) await new Promise<void>((resolve) => this.#flushed.push(resolve))
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#closed = true
    this.#listeners.clear()
    for (const replies of this.#waiting) replies.fail(new Failure('unavailable', 'wait for a reply: the bus is closed'))
  }

  #ask(subject: string, packet: Packet, sending: Sending): Replies {
    this.#check(packet, `ask ${subject}`)
    const replies = new Replies(subject, sending, () => this.#waiting.delete(replies))
    this.#waiting.add(replies)
    const respond = (reply: Packet): void => {
      this.#check(reply, `answer ${subject}`)
      this.#later(() => replies.push(reply))
    }
    if (sending.signal?.aborted) return replies
    if (this.#send(subject, packet, respond) === 0) replies.fail(nobody(subject))
    return replies
  }

  #check(packet: Packet, attempt: string): void {
    if (this.#closed) throw new Failure('unavailable', `${attempt}: the bus is closed`)
    checkSize(attempt, packet, this.maxPayload)
  }

  #send(subject: string, packet: Packet, respond: Delivery['respond']): number {
    checkSubject(subject)
    const receivers = this.#receivers(subject)
    for (const { handler } of receivers) this.#later(() => handler({ ...packet, subject, respond }))
    return receivers.length
  }

  /** Everyone interested, and one of each queue. */
  #receivers(subject: string): Listener[] {
    const matching = [...this.#listeners].filter((listener) => matches(listener.pattern, subject))
    const queues = Object.groupBy(
      matching.filter(({ queue }) => queue !== undefined),
      ({ queue = '' }) => queue,
    )
    this.#turn += 1
    const chosen = Object.values(queues).flatMap((members = []) => members[this.#turn % members.length] ?? [])
    return [...matching.filter(({ queue }) => queue === undefined), ...chosen]
  }

  #later(deliver: () => void): void {
    if (this.#due.length === 0) setImmediate(() => this.#deliver())
    this.#due.push(deliver)
  }

  #deliver(): void {
    const due = this.#due
    this.#due = []
    for (const deliver of due) guarded(deliver)
    if (this.#due.length === 0) for (const resolve of this.#flushed.splice(0)) resolve()
  }
}

/** A handler that throws harms nobody else; it does not go unseen either. */
function guarded(deliver: () => void): void {
  try {
    deliver()
  } catch (error) {
    process.emitWarning(`a handler of the bus threw: ${(error as Error)?.stack ?? error}`)
  }
}
