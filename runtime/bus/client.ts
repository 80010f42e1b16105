import { randomUUID } from 'node:crypto'
import { type Asking, type Client, Failure, isFailure, type Protocol, subject } from '../../messages/grammar/index.ts'
import type { Bus, Packet } from './bus.ts'
import { encode, encodingHeaders } from './codec.ts'
import { header, replyOf } from './headers.ts'
import { cancel, missable } from './inflight.ts'
import { allow } from './pace.ts'
import { continueTrace } from './trace.ts'

/** Who is asked. */
export interface Asked {
  /** a node's name, or `any` */
  readonly node: string
  readonly actor: string
}

/** How requests are made unless one says otherwise. */
export interface ClientDefaults extends Asking {
  /** ms of silence after which a feed must say that it lives (5,000); it has failed when four times that pass */
  readonly heartbeatMs?: number | undefined
}

/** ms a call may take unless it says otherwise. */
const patience = 5_000
const heartbeat = 5_000

/** Items of a feed on their way before its reader has taken some. */
const window = 32

/**
 * Ask an actor by its protocol: `client<typeof snapshot>(bus, { node, actor: 'snapshot' }).stat({ key })`.
 *
 * The protocol is needed by the compiler only, so a command that asks loads no schema. What a verb gives is a promise of the reply and an
 * iterable of the items; which of them it is meant to be is the protocol's to say. Nothing is sent until it is awaited (`then` or `catch`
 * called) or iterated. A call that is given up, and a feed that is left early, stop their handler.
 */
export function client<P extends Protocol>(bus: Bus, asked: Asked, defaults: ClientDefaults = {}): Client<P> {
  const ask = (verb: string) => (request: unknown, asking?: Asking) =>
    new Question(bus, asked, verb, request ?? {}, { ...defaults, ...asking })
  const verbs = new Map<string, ReturnType<typeof ask>>()
  return new Proxy({} as Client<P>, {
    get: (_, verb) => {
      // A client itself is nobody's promise: `await` looks for `then`.
      if (typeof verb === 'symbol' || verb === 'then') return undefined
      const known = verbs.get(verb) ?? ask(verb)
      verbs.set(verb, known)
      return known
    },
  })
}

/** One request, not yet sent: a promise of its reply, or the items of its feed, whichever is asked for first. */
class Question implements PromiseLike<unknown>, AsyncIterable<unknown> {
  readonly #bus: Bus
  readonly #node: string
  readonly #subject: string
  readonly #request: unknown
  readonly #asking: ClientDefaults
  readonly #id = randomUUID()
  #reply: Promise<unknown> | undefined

  constructor(bus: Bus, asked: Asked, verb: string, request: unknown, asking: ClientDefaults) {
    this.#bus = bus
    this.#node = asked.node
    this.#subject = subject(bus.root, asked.node, asked.actor, verb)
    this.#request = request
    this.#asking = asking
  }

  // biome-ignore lint/suspicious/noThenProperty: being awaited is what this is for
  then<A = unknown, B = never>(
    fulfilled?: ((value: unknown) => A | PromiseLike<A>) | null,
    rejected?: ((reason: unknown) => B | PromiseLike<B>) | null,
  ): Promise<A | B> {
    this.#reply ??= this.#call()
    return this.#reply.then(fulfilled, rejected)
  }

  catch<B>(rejected: (reason: unknown) => B | PromiseLike<B>): Promise<unknown> {
    return this.then(undefined, rejected)
  }

  finally(settled: () => void): Promise<unknown> {
    this.#reply ??= this.#call()
    return this.#reply.finally(settled)
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<unknown> {
    const { signal, timeoutMs, heartbeatMs = heartbeat } = this.#asking
    const packet = this.#packet(timeoutMs, { [header.heartbeat]: String(heartbeatMs), [header.window]: String(window) })
    let node = this.#node
    let taken = 0
    let over = false
    const alive = setInterval(() => allow(this.#bus, node, this.#id, 0), heartbeatMs)
    try {
      for await (const reply of this.#bus.requestMany(this.#subject, packet, { signal, timeoutMs: heartbeatMs * missable })) {
        node = reply.headers[header.node] ?? node
        if (reply.headers[header.heartbeat] !== undefined) continue
        over = reply.payload.length === 0 || reply.headers[header.errorCode] !== undefined
        if (reply.payload.length === 0) return
        yield replyOf(reply)
        taken += 1
        if (taken < window / 2) continue
        allow(this.#bus, node, this.#id, taken)
        taken = 0
      }
    } catch (error) {
      if (!over && isFailure(error, 'deadline_exceeded'))
        throw new Failure('unavailable', `ask ${this.#subject}: no sign of life`, { cause: error })
      throw error
    } finally {
      clearInterval(alive)
      if (!over) cancel(this.#bus, this.#id)
    }
  }

  async #call(): Promise<unknown> {
    const { signal, timeoutMs = patience } = this.#asking
    try {
      return replyOf(await this.#bus.request(this.#subject, this.#packet(timeoutMs), { signal, timeoutMs }))
    } catch (error) {
      if (signal?.aborted) cancel(this.#bus, this.#id)
      throw error
    }
  }

  #packet(timeoutMs: number | undefined, headers: Readonly<Record<string, string>> = {}): Packet {
    return {
      headers: {
        ...encodingHeaders('msgpack'),
        ...headers,
        [header.call]: this.#id,
        [header.trace]: continueTrace(this.#asking.trace),
        ...(timeoutMs !== undefined && Number.isFinite(timeoutMs) && { [header.timeout]: String(timeoutMs) }),
      },
      payload: encode(this.#request, 'msgpack'),
    }
  }
}
