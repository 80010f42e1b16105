/** The stream that keeps the facts. One of the two files that know the JetStream library. */
import {
  type Consumer,
  DeliverPolicy,
  DiscardPolicy,
  JetStreamApiCodes,
  JetStreamApiError,
  type JetStreamManager,
  jetstream,
  jetstreamManager,
  RetentionPolicy,
  StorageType,
  type StreamInfo,
} from '@nats-io/jetstream'
import { eventSubject, Failure, type Protocol } from '../../messages/grammar/index.ts'
import type { Bus } from './bus.ts'
import { streamName, dedupeMs as usualDedupeMs } from './durable.ts'
import { type Envelope, openEnvelope } from './envelope.ts'
import { type Hearing, subjectsOf } from './hearing.ts'
import { matches } from './matches.ts'
import { connectionOf } from './nats.ts'

/** How much is kept, and for how long. */
export interface Keeping {
  /** every protocol whose durable events are kept, by actor */
  readonly protocols: Readonly<Record<string, Protocol>>
  /** ms a fact is kept (7 days) */
  readonly maxAgeMs?: number | undefined
  /** bytes kept at most, the oldest going first (256 MiB) */
  readonly maxBytes?: number | undefined
  /** ms in which a fact told twice is kept once (2 minutes) */
  readonly dedupeMs?: number | undefined
}

const day = 24 * 60 * 60 * 1_000

/**
 * Make sure that the durable events of these protocols are kept; those that are not durable pass by. Any node may do it at any time: what another
 * node wants kept goes on being kept. Only what a server 2.9 can do is used. Answers false when there is no JetStream.
 */
export async function keepEvents(bus: Bus, keeping: Keeping): Promise<boolean> {
  const name = streamName(bus.root)
  const { maxAgeMs = 7 * day, maxBytes = 256 * 1024 * 1024, dedupeMs = usualDedupeMs } = keeping
  const bounds = { max_age: nanoseconds(maxAgeMs), max_bytes: maxBytes, duplicate_window: nanoseconds(Math.min(dedupeMs, maxAgeMs)) }
  const subjects = durableSubjects(bus.root, keeping.protocols)
  try {
    const manager = await managerOf(bus)
    if (!manager) return false
    const kept = (await streamOf(manager, name))?.config.subjects
    if (kept) await manager.streams.update(name, { ...bounds, subjects: [...new Set([...kept, ...subjects])] })
    else
      await manager.streams.add({
        name,
        subjects,
        ...bounds,
        storage: StorageType.File,
        retention: RetentionPolicy.Limits,
        discard: DiscardPolicy.Old,
      })
    return true
  } catch (error) {
    throw new Failure('unavailable', `keep events in the stream ${name}: ${(error as Error).message}`, { cause: error })
  }
}

/** Which kept facts, and whether to go on with new ones. */
export interface Recalling extends Hearing {
  /** facts kept since then */
  readonly since?: Date | undefined
  /** facts from this place in the stream on */
  readonly from?: number | undefined
  /** facts about this */
  readonly entity?: string | undefined
  /** of what is kept, the newest fact about each thing only */
  readonly last?: LastOf | undefined
  /** go on, once what is kept has been told, with what is told from now on */
  readonly follow?: boolean | undefined
  readonly signal?: AbortSignal | undefined
}

/** What a thing is: two facts are about the same one when this is the same. */
export type LastOf = (event: Envelope) => string

/** A fact that was kept, with its place in the stream: who remembers it goes on from there. */
export interface Kept extends Envelope {
  readonly seq: number
}

/**
 * Facts that were kept, in the order they were told. Only those asked for are read, but that a node's are read with those of all nodes where the server cannot part them.
 * Fails with unimplemented when nothing is kept here, with unavailable when the stream does not answer. Once begun it waits for a server that is away.
 */
export async function* recall(bus: Bus, recalling: Recalling = {}): AsyncGenerator<Kept> {
  const { entity, from = 1, since, last, follow = false, signal } = recalling
  signal?.throwIfAborted()
  const wanted = subjectsOf(bus.root, recalling)
  const stream = await openStream(bus)
  const about = (event: Kept) => entity === undefined || event.subject === entity
  const start = since
    ? { deliver_policy: DeliverPolicy.StartTime, opt_start_time: since.toISOString() }
    : { deliver_policy: DeliverPolicy.StartSequence, opt_start_seq: from }
  const end = stream.info.state.last_seq
  const parts = filtersOf(wanted, stream.info.config.subjects).map((filter) => read(stream, { filter, start, wanted, end, signal }))
  const kept = filtered(merged(parts), (event) => event.seq >= from && about(event))
  yield* last ? newest(kept, last) : kept
  if (!follow) return
  const next = { deliver_policy: DeliverPolicy.StartSequence, opt_start_seq: Math.max(from, end + 1) }
  const [filter] = filtersOf([common(wanted)], stream.info.config.subjects)
  yield* filtered(read(stream, { filter, start: next, wanted, signal }), about)
}

/** A stream that is there. */
interface Stream {
  readonly name: string
  readonly info: StreamInfo
  consumer(options: Readonly<Record<string, unknown>>): Promise<Consumer>
}

async function openStream(bus: Bus): Promise<Stream> {
  const name = streamName(bus.root)
  const connection = connectionOf(bus)
  const info = await attempt(async () => {
    const manager = await managerOf(bus)
    return manager && (await streamOf(manager, name))
  })
  if (!connection || !info) throw new Failure('unimplemented', `recall events: this NATS system keeps none in ${name}`)
  return { name, info, consumer: (options) => attempt(() => jetstream(connection).consumers.get(name, options)) }

  async function attempt<T>(work: () => Promise<T>): Promise<T> {
    try {
      return await work()
    } catch (error) {
      throw new Failure('unavailable', `recall events of the stream ${name}: ${(error as Error).message}`, { cause: error })
    }
  }
}

/**
 * What to ask the server for, to get these subjects: a filter must lie within a subject of the stream, or one of those within the filter, or it is refused.
 * Facts of which none is kept are not asked for.
 */
function filtersOf(wanted: readonly string[], kept: readonly string[]): string[] {
  const filters = wanted.flatMap(
    (subject) => [subject, ofAllNodes(subject)].find((one) => kept.some((it) => matches(it, one) || matches(one, it))) ?? [],
  )
  return [...new Set(filters)]
}

const nodeToken = -3
const ofAllNodes = (subject: string): string => subject.split('.').with(nodeToken, '*').join('.')

/** One filter for all of them: one consumer of server 2.9 has one, and only what one reads is in order as it comes. */
const common = (wanted: readonly string[]): string =>
  wanted
    .map((subject) => subject.split('.'))
    .reduce((one, other) => one.map((token, at) => (token === other[at] ? token : '*')))
    .join('.')

interface Reading {
  /** all of the stream, unless given */
  readonly filter: string | undefined
  readonly start: Readonly<Record<string, unknown>>
  readonly wanted: readonly string[]
  /** the last place to read; goes on for ever unless given */
  readonly end?: number | undefined
  readonly signal: AbortSignal | undefined
}

/** Read on through one consumer, which is made anew when the server has lost it. */
async function* read(stream: Stream, { filter, start, wanted, end, signal }: Reading): AsyncGenerator<Kept> {
  const consumer = await stream.consumer({ ...start, ...(filter !== undefined && { filter_subjects: filter }) })
  if (end !== undefined && (await consumer.info(true)).num_pending === 0) return
  const messages = await consumer.consume({ max_messages: 256, idle_heartbeat: 5_000 })
  const stop = () => messages.stop()
  signal?.addEventListener('abort', stop)
  try {
    signal?.throwIfAborted()
    for await (const { seq, subject, data, info } of messages) {
      if (end !== undefined && seq > end) return
      if (wanted.some((one) => matches(one, subject))) yield { ...openEnvelope({ headers: {}, payload: data }), seq }
      signal?.throwIfAborted()
      if (end !== undefined && (seq === end || info.pending === 0)) return
    }
    signal?.throwIfAborted()
  } finally {
    signal?.removeEventListener('abort', stop)
    await messages.close()
  }
}

/** All of several readings by their place in the stream, each once. */
async function* merged(parts: readonly AsyncGenerator<Kept>[]): AsyncGenerator<Kept> {
  try {
    const heads = await Promise.all(parts.map((part) => part.next()))
    for (;;) {
      const first = Math.min(...heads.map(({ done, value }) => (done ? Number.POSITIVE_INFINITY : value.seq)))
      const at = heads.findIndex(({ done, value }) => !done && value.seq === first)
      const head = heads[at]
      if (!head || head.done) return
      yield head.value
      for (const [other, part] of parts.entries())
        if (!heads[other]?.done && heads[other]?.value.seq === first) heads[other] = await part.next()
    }
  } finally {
    await Promise.all(parts.map((part) => part.return(undefined)))
  }
}

async function* filtered(events: AsyncIterable<Kept>, isWanted: (event: Kept) => boolean): AsyncGenerator<Kept> {
  for await (const event of events) if (isWanted(event)) yield event
}

/** In the order of what is left. */
async function* newest(events: AsyncIterable<Kept>, of: LastOf): AsyncGenerator<Kept> {
  const last = new Map<string, Kept>()
  for await (const event of events) {
    const thing = of(event)
    last.delete(thing)
    last.set(thing, event)
  }
  yield* last.values()
}

/** One subject a durable event: a stream cannot leave out what it does not want. */
const durableSubjects = (root: string, protocols: Keeping['protocols']): string[] =>
  Object.entries(protocols).flatMap(([actor, protocol]) =>
    Object.entries(protocol).flatMap(([fact, word]) =>
      word.kind === 'event' && word.durable ? [eventSubject(root, '*', actor, fact)] : [],
    ),
  )

/** Undefined when there is no JetStream for us; fails when it does not answer. */
async function managerOf(bus: Bus): Promise<JetStreamManager | undefined> {
  const connection = connectionOf(bus)
  try {
    return connection && (await jetstreamManager(connection))
  } catch (error) {
    if (error instanceof Error && error.name === withoutJetStream) return undefined
    throw error
  }
}

async function streamOf(manager: JetStreamManager, name: string): Promise<StreamInfo | undefined> {
  try {
    return await manager.streams.info(name)
  } catch (error) {
    if (isApiError(error, JetStreamApiCodes.StreamNotFound)) return undefined
    throw error
  }
}

/** Nobody answers for JetStream, or the account has none. The library has a class for it, and hands it out to nobody. */
const withoutJetStream = 'JetStreamNotEnabled'

const isApiError = (error: unknown, code: number): boolean => error instanceof JetStreamApiError && error.code === code

const nanoseconds = (ms: number): number => ms * 1_000_000
