/** One request answered: checked, handed to its handler, its answer sent. */
import { randomUUID } from 'node:crypto'
import type { z } from 'zod'
import { type Call, type Code, type Context, Failure, type Feed, type Log, undeclared } from '../../messages/grammar/index.ts'
import { withFields } from '../log.ts'
import type { Bus, Delivery, Packet } from './bus.ts'
import { decode, type Encoding, encode, encodingHeaders, encodingOf } from './codec.ts'
import type { Endpoint } from './discovery.ts'
import { failurePacket, header } from './headers.ts'
import { type Inflight, missable, type Running } from './inflight.ts'
import { Pace } from './pace.ts'
import { continueTrace, traceId } from './trace.ts'

/** Any handler, its types forgotten: the protocol has checked what goes in. */
export type Handler = (request: unknown, context: Context) => unknown

/** What answering one verb takes. */
export interface AnsweringInit {
  readonly bus: Bus
  readonly node: string
  readonly actor: string
  readonly endpoint: Endpoint
  readonly handler: Handler
  readonly inflight: Inflight
  readonly log: Log
}

// What a handler answers is as the compiler says; tests look again.
const checked = process.env['NODE_ENV'] === 'test'

/** Answers one verb of one actor. */
export class Answering {
  readonly #init: AnsweringInit
  readonly #word: string

  constructor(init: AnsweringInit) {
    this.#init = init
    this.#word = `${init.actor}.${init.endpoint.verb}`
  }

  /**
   * Never rejects. Its answers have been handed to the bus when it resolves. What names no inbox to be answered in is not done: so look answers to others, receipts of
   * streams and deliveries of consumers, which whoever causes them can have sent to any subject.
   */
  async answer(delivery: Delivery): Promise<void> {
    if (!delivery.respond) return
    const began = process.hrtime.bigint()
    const { endpoint, inflight } = this.#init
    const trace = continueTrace(delivery.headers[header.trace])
    const log = withFields(this.#init.log, { trace: traceId(trace), actor: this.#init.actor, verb: endpoint.verb })
    const sender = new Sender(delivery, this.#init.node)
    using running = inflight.run(delivery.headers[header.call] ?? randomUUID(), duration(delivery.headers[header.timeout]))
    try {
      const request = this.#read(endpoint.definition.request, delivery)
      const context: Context = { signal: running.signal, trace, log, fail: refuse }
      if (endpoint.definition.kind === 'call') await this.#call(request, context, sender)
      else await this.#feed(request, context, sender, running)
    } catch (error) {
      const failure = this.#failure(error, running.signal, log)
      count(endpoint, failure)
      sender.fail(failure, log)
    }
    if (endpoint.definition.kind === 'feed') sender.end(log)
    endpoint.stats.requests += 1
    endpoint.stats.nanoseconds += Number(process.hrtime.bigint() - began)
  }

  async #call(request: unknown, context: Context, sender: Sender): Promise<void> {
    const reply = await this.#init.handler(request, context)
    sender.send(this.#kept((this.#init.endpoint.definition as Call).reply, reply))
  }

  async #feed(request: unknown, context: Context, sender: Sender, running: Running): Promise<void> {
    const pace = new Pace(duration(sender.asked(header.window)))
    running.follow(pace)
    using _beats = beats(duration(sender.asked(header.heartbeat)), sender, pace, running)
    for await (const item of this.#init.handler(request, context) as AsyncIterable<unknown>) {
      const kept = this.#kept((this.#init.endpoint.definition as Feed).item, item)
      await pace.take(context.signal)
      context.signal.throwIfAborted()
      sender.send(kept)
    }
    context.signal.throwIfAborted()
  }

  #read(schema: z.ZodType, delivery: Delivery): unknown {
    const read = schema.safeParse(decode(delivery))
    if (!read.success) throw new Failure('invalid_argument', `ask ${this.#word}: ${explain(read.error)}`)
    return read.data
  }

  #kept(schema: z.ZodType, answer: unknown): unknown {
    const read = checked ? schema.safeParse(answer) : undefined
    if (read?.error) throw new Failure('internal', `answer ${this.#word}: the answer is not as declared: ${explain(read.error)}`)
    return answer
  }

  /** What went wrong as what may be said of it. A failure that is not declared is a fault of ours. */
  #failure(error: unknown, signal: AbortSignal, log: Log): Failure {
    const failure = Failure.from(isAbort(error) && signal.aborted ? signal.reason : error)
    const known: readonly Code[] = [...this.#init.endpoint.definition.failures, ...undeclared]
    if (known.includes(failure.code) || error instanceof TooLarge) {
      if (failure.code === 'internal') log.error({ err: error }, `${this.#word} failed: ${failure.message}`)
      return failure
    }
    log.error(
      { err: error, code: failure.code },
      `${this.#word} failed with ${failure.code}, which it does not declare: ${failure.message}`,
    )
    return new Failure('internal', `${failure.message} (${failure.code}, which ${this.#word} does not declare)`, { cause: failure })
  }
}

/** An answer the bus does not carry: a failure of the verb, whatever it declares. */
class TooLarge extends Failure {}

/** Sends the answers to one request, in its encoding. */
class Sender {
  readonly #delivery: Delivery
  readonly #encoding: Encoding
  readonly #headers: Readonly<Record<string, string>>
  #silent = true

  constructor(delivery: Delivery, node: string) {
    this.#delivery = delivery
    this.#encoding = encodingOf(delivery)
    this.#headers = { ...encodingHeaders(this.#encoding), [header.node]: node }
  }

  /** What the request says in a header. */
  asked(name: string): string | undefined {
    return this.#delivery.headers[name]
  }

  /** Fails with out_of_range when it is more than the bus carries, with unavailable when that is away. */
  send(value: unknown): void {
    try {
      this.#respond({ headers: this.#headers, payload: encode(value ?? {}, this.#encoding) })
    } catch (error) {
      throw error instanceof Failure && error.code === 'out_of_range' ? new TooLarge(error.code, error.message) : error
    }
  }

  fail(failure: Failure, log: Log): void {
    attempt(() => this.#respond(failurePacket(failure, this.#encoding, { [header.node]: this.#headers[header.node] ?? '' })), log)
  }

  /** An empty message: nothing follows. */
  end(log: Log): void {
    attempt(() => this.#respond({ headers: { [header.node]: this.#headers[header.node] ?? '' }, payload: new Uint8Array() }), log)
  }

  /** A sign of life, unless there was an answer since the last. */
  beat(): void {
    if (this.#silent)
      this.#respond({ headers: { [header.heartbeat]: 'beat', [header.node]: this.#headers[header.node] ?? '' }, payload: new Uint8Array() })
    this.#silent = true
  }

  #respond(packet: Packet): void {
    this.#silent = false
    this.#delivery.respond?.(packet)
  }
}

/**
 * Say that a feed lives, as often as its caller asked to hear; a person at a terminal does not ask. A caller that does says as often that it
 * lives too: one that is not heard any more, or cannot be reached, ends the feed.
 */
function beats(every: number | undefined, sender: Sender, pace: Pace, running: Running): Disposable {
  let missed = 0
  const beat = (): void => {
    missed = pace.heard() ? 0 : missed + 1
    if (missed > missable) running.stop(new Failure('cancelled', 'the caller is gone'))
    try {
      sender.beat()
    } catch (error) {
      running.stop(Failure.from(error))
    }
  }
  const timer = every === undefined ? undefined : setInterval(beat, every)
  return { [Symbol.dispose]: () => clearInterval(timer) }
}

/** The caller hears of a lost bus from the bus itself. */
function attempt(respond: () => void, log: Log): void {
  try {
    respond()
  } catch (error) {
    log.debug({ err: error }, 'an answer could not be sent')
  }
}

function count(endpoint: Endpoint, failure: Failure): void {
  endpoint.stats.errors += 1
  endpoint.stats.lastError = `${failure.code}: ${failure.message}`
}

const refuse: Context['fail'] = (code, message, details) => {
  throw new Failure(code, message, { details })
}

/** Which field, and what about it. */
function explain(error: z.ZodError): string {
  const [issue] = error.issues
  const path = issue?.path.join('.')
  return `${path ? `${path}: ` : ''}${(issue?.message ?? 'not as declared').replace(/^./, (first) => first.toLowerCase())}`
}

const isAbort = (error: unknown): boolean => error instanceof Error && error.name === 'AbortError'

/** A number of ms a timer can take. */
function duration(text: string | undefined): number | undefined {
  const ms = Number(text)
  return text !== undefined && ms > 0 ? Math.min(ms, 2 ** 31 - 1) : undefined
}
