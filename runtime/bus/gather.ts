import { randomUUID } from 'node:crypto'
import type { z } from 'zod'
import { type Asking, type Call, Failure, isFailure, type Protocol, subject } from '../../messages/grammar/index.ts'
import type { Bus } from './bus.ts'
import { encode, encodingHeaders } from './codec.ts'
import { header, replyOf } from './headers.ts'
import { cancel } from './inflight.ts'
import { isNobody } from './packet.ts'
import { continueTrace } from './trace.ts'

/** What one node answered: a reply, or why there is none. */
export type Gathered<Reply> = { readonly node: string } & ({ readonly reply: Reply } | { readonly failure: Failure })

type Calls<P extends Protocol> = { [V in keyof P]: P[V]['kind'] extends 'call' ? V : never }[keyof P] & string
type RequestOf<W> = W extends Call<infer Request> ? z.input<Request> : never
export type ReplyOf<W> = W extends Call<z.ZodType, infer Reply> ? z.output<Reply> : never

export interface Gathering extends Asking {
  /** ms after the last answer when no more is waited for (500) */
  readonly stallMs?: number | undefined
  /** answers after which no more is waited for, when it is known how many there are */
  readonly enough?: number | undefined
}

/**
 * Ask every node, and take the answers as they come: `gather<typeof node, 'info'>(bus, 'node', 'info', {})`.
 * Ends when none has come for a while, when there are enough, or after `timeoutMs`. Nobody there is no answers, not a failure.
 */
export function gather<P extends Protocol, V extends Calls<P>>(
  bus: Bus,
  actor: string,
  verb: V,
  request: RequestOf<P[V]>,
  options: Gathering = {},
): AsyncGenerator<Gathered<ReplyOf<P[V]>>> {
  return gatherAt<P[V]>(bus, subject(bus.root, 'all', actor, verb), request, options)
}

/** As gather, of whoever listens on a subject of its own: `gatherAt<typeof holders>(bus, blobSubject(…), {})`. */
export async function* gatherAt<W>(
  bus: Bus,
  at: string,
  request: RequestOf<W>,
  options: Gathering = {},
): AsyncGenerator<Gathered<ReplyOf<W>>> {
  const { stallMs = 500, enough = Number.POSITIVE_INFINITY, timeoutMs = 5_000, signal, trace } = options
  const id = randomUUID()
  const until = performance.now() + timeoutMs
  const packet = {
    headers: {
      ...encodingHeaders('msgpack'),
      [header.call]: id,
      [header.trace]: continueTrace(trace),
      ...(Number.isFinite(timeoutMs) && { [header.timeout]: String(timeoutMs) }),
    },
    payload: encode(request, 'msgpack'),
  }
  let count = 0
  try {
    for await (const reply of bus.requestMany(at, packet, {
      signal,
      timeoutMs: Math.min(stallMs, timeoutMs),
    })) {
      yield gathered<ReplyOf<W>>(reply.headers[header.node] ?? '', () => replyOf(reply) as ReplyOf<W>)
      count += 1
      if (count >= enough || performance.now() >= until) return
    }
  } catch (error) {
    if (!isFailure(error, 'deadline_exceeded') && !isNobody(error)) throw error
  } finally {
    if (signal?.aborted) cancel(bus, id)
  }
}

function gathered<Reply>(node: string, read: () => Reply): Gathered<Reply> {
  try {
    return { node, reply: read() }
  } catch (error) {
    return { node, failure: Failure.from(error) }
  }
}
