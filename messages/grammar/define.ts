/**
 * The grammar: three kinds of message, declared once, everything else derived.
 *
 * - a *call* is an imperative verb with one reply (`snapshot.prepare`);
 * - a *feed* is a noun with many replies, ended by an empty message (`pull.progress`);
 * - an *event* is a fact in the past tense that nobody answers (`snapshot.committed`).
 *
 * A protocol is a plain object of them, one per actor. From it come the subject, the handlers an actor must implement,
 * the client a caller uses, the failures a handler may answer, the JSON Schema and the reference in `ops/docs`.
 */
import type { z } from 'zod'
import type { Code, undeclared } from './failure.ts'

/** A request with one reply. `example` is a request that validates; the reference prints it ready to paste. */
export interface Call<Request extends z.ZodType = z.ZodType, Reply extends z.ZodType = z.ZodType, F extends Code = Code> {
  readonly kind: 'call'
  readonly doc: string
  readonly request: Request
  readonly reply: Reply
  readonly failures: readonly F[]
  readonly example: z.input<Request>
}

/** A request with many replies, each an `item`; an empty message ends it, a failure may come just before. */
export interface Feed<Request extends z.ZodType = z.ZodType, Item extends z.ZodType = z.ZodType, F extends Code = Code> {
  readonly kind: 'feed'
  readonly doc: string
  readonly request: Request
  readonly item: Item
  readonly failures: readonly F[]
  readonly example: z.input<Request>
}

/**
 * A fact. `entity` names the field of `data` that identifies what it is about: order is kept per entity.
 * A `durable` one goes through the outbox and is stored; the rest (progress) is told once and forgotten.
 * What a `shared` one is about is one thing for all nodes, whichever of them tells it; otherwise each node has its own of that name.
 */
export interface Event<Data extends z.ZodObject = z.ZodObject> {
  readonly kind: 'event'
  readonly doc: string
  readonly data: Data
  readonly entity: string
  readonly durable: boolean
  readonly shared: boolean
}

/** What may be said to, and by, one actor. */
export type Protocol = Readonly<Record<string, Call | Feed | Event>>

/** Declare a call. */
export function call<Request extends z.ZodType, Reply extends z.ZodType, const F extends Code = never>(
  doc: string,
  parts: { request: Request; reply: Reply; failures?: readonly F[]; example: z.input<Request> },
): Call<Request, Reply, F> {
  return { kind: 'call', doc, failures: [], ...parts }
}

/** Declare a feed. */
export function feed<Request extends z.ZodType, Item extends z.ZodType, const F extends Code = never>(
  doc: string,
  parts: { request: Request; item: Item; failures?: readonly F[]; example: z.input<Request> },
): Feed<Request, Item, F> {
  return { kind: 'feed', doc, failures: [], ...parts }
}

/** Declare an event. Durable unless said otherwise. */
export function event<Data extends z.ZodObject>(
  doc: string,
  data: Data,
  options: { entity: string & keyof z.output<Data>; durable?: boolean; shared?: boolean },
): Event<Data> {
  return { kind: 'event', doc, data, durable: true, shared: false, ...options }
}

/** The part of pino a handler needs. */
export interface Log {
  debug(fields: object, message: string): void
  info(fields: object, message: string): void
  warn(fields: object, message: string): void
  error(fields: object, message: string): void
}

/** What a handler is given beside the request. */
export interface Context<F extends Code = Code> {
  /** Aborted when the caller gives up, the deadline passes, or the node stops. */
  readonly signal: AbortSignal
  /** W3C traceparent of this call; pass it on to whatever the handler asks of others. */
  readonly trace: string
  /** Carries the trace id, the actor and the verb. */
  readonly log: Log
  /** Refuse, with a declared failure. */
  fail(code: F | (typeof undeclared)[number], message: string, details?: Readonly<Record<string, unknown>>): never
}

/** What an actor must implement: every call and feed of its protocol. */
export type Handlers<P extends Protocol> = {
  readonly [V in keyof P as P[V]['kind'] extends 'event' ? never : V]: P[V] extends Call<infer Request, infer Reply, infer F>
    ? (request: z.output<Request>, context: Context<F>) => Promise<z.input<Reply>> | z.input<Reply>
    : P[V] extends Feed<infer Request, infer Item, infer F>
      ? (request: z.output<Request>, context: Context<F>) => AsyncIterable<z.input<Item>>
      : never
}

/** How one request is made. */
export interface Asking {
  /** Gives up, and tells the handler so. */
  readonly signal?: AbortSignal | undefined
  /** For a call, ms until `deadline_exceeded` (default 5,000). For a feed, none unless given. */
  readonly timeoutMs?: number | undefined
  /** traceparent to continue; a new one is made otherwise. */
  readonly trace?: string | undefined
}

/** What a caller sees: calls are promises, feeds are async iterables; leaving the loop early cancels the feed. */
export type Client<P extends Protocol> = {
  readonly [V in keyof P as P[V]['kind'] extends 'event' ? never : V]: P[V] extends Call<infer Request, infer Reply>
    ? (request: z.input<Request>, asking?: Asking) => Promise<z.output<Reply>>
    : P[V] extends Feed<infer Request, infer Item>
      ? (request: z.input<Request>, asking?: Asking) => AsyncIterable<z.output<Item>>
      : never
}

/** The facts a protocol can tell, by name. */
export type Facts<P extends Protocol> = {
  readonly [V in keyof P as P[V]['kind'] extends 'event' ? V : never]: P[V] extends Event<infer Data> ? z.output<Data> : never
}
