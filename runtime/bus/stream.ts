/** The stream that keeps the facts. One of the two files that know the JetStream library. */
import { isDeepStrictEqual } from 'node:util'
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
  type StreamConfig,
  type StreamInfo,
} from '@nats-io/jetstream'
import { type Code, eventSubject, Failure, type Protocol } from '../../messages/grammar/index.ts'
import { retry } from '../retry.ts'
import type { Bus } from './bus.ts'
import { dedupeMs as usualDedupeMs } from './durable.ts'
import { type Envelope, openEnvelope } from './envelope.ts'
import { common, filtersOf } from './filters.ts'
import { type Hearing, subjectsOf } from './hearing.ts'
import { matches } from './matches.ts'
import { filtered, merged, newest } from './merged.ts'
import { connectionOf, replicasOf } from './nats.ts'
import { isDenied } from './nats-failures.ts'
import { storedMessage, streamName, streamState } from './stored.ts'

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
  /** servers they are kept on; what the address of the bus says if left out */
  readonly replicas?: number | undefined
}

const day = 24 * 60 * 60 * 1_000

/**
 * Make sure that the durable events of these protocols are kept; those that are not durable pass by. Any node may do it at any time: what another
 * node wants kept goes on being kept. Only what a server 2.9 can do is used. Answers false when there is no JetStream. Fails with permission_denied when they are not
 * kept, and that is not ours to change.
 */
export async function keepEvents(bus: Bus, keeping: Keeping): Promise<boolean> {
  const name = streamName(bus.root)
  const { maxAgeMs = 7 * day, maxBytes = 256 * 1024 * 1024, dedupeMs = usualDedupeMs } = keeping
  const bounds = { max_age: nanoseconds(maxAgeMs), max_bytes: maxBytes, duplicate_window: nanoseconds(Math.min(dedupeMs, maxAgeMs)) }
  const subjects = durableSubjects(bus.root, keeping.protocols)
  const { replicas = replicasOf(bus) } = keeping
  const wanted = {
    ...bounds,
    // A receipt can be sent anywhere, also where it would be read as a wish to purge.
    deny_purge: true,
    deny_delete: true,
    ...(replicas !== undefined && { num_replicas: replicas }),
  }
  try {
    const manager = await managerOf(bus)
    if (!manager) return false
    const there = (await streamOf(manager, name))?.config
    if (!there) await manager.streams.add({ ...asMade, ...wanted, name, subjects })
    else await change(manager, there, { ...wanted, subjects: [...new Set([...there.subjects, ...subjects])] })
    return true
  } catch (error) {
    if (isDenied(error))
      throw new Failure(
        'permission_denied',
        `keep events in the stream ${name}: this user may not make or change it; an operator may, with "gantry streams"`,
      )
    throw new Failure('unavailable', `keep events in the stream ${name}: ${(error as Error).message}`, { cause: error })
  }
}

const asMade = { storage: StorageType.File, retention: RetentionPolicy.Limits, discard: DiscardPolicy.Old }

/** Nothing is asked for that is so already. What keeps every subject may stay as it is, where it is not ours to change. */
async function change(
  manager: JetStreamManager,
  there: StreamConfig,
  wanted: Partial<StreamConfig> & { subjects: string[] },
): Promise<void> {
  const same = (key: string) => isDeepStrictEqual(there[key as keyof StreamConfig], wanted[key as keyof StreamConfig])
  if (Object.keys(wanted).every(same)) return
  await manager.streams.update(there.name, wanted).catch((error: unknown) => {
    if (!isDenied(error) || !same('subjects')) throw error
  })
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
  const { entity, since, last, follow = false, signal } = recalling
  signal?.throwIfAborted()
  const wanted = subjectsOf(bus.root, recalling)
  const stream = await openStream(bus, signal)
  const { end } = stream
  const from = Math.max(recalling.from ?? 1, since ? await placeAt(stream, since, signal) : 1)
  const about = (event: Kept) => entity === undefined || event.subject === entity
  if (from <= end) {
    const parts = filtersOf(wanted, stream.subjects).map((filter) => readTo(stream, { filter, wanted, from, end, signal }))
    const kept = filtered(merged(parts), about)
    yield* last ? newest(kept, last) : kept
  }
  if (!follow) return
  const [filter] = filtersOf([common(wanted)], stream.subjects)
  yield* filtered(readOn(stream, { filter, wanted, from: Math.max(from, end + 1), signal }), about)
}

/** Where what was told since then begins. The library forgets the time when it makes a consumer anew; a place it remembers. */
async function placeAt({ consumer }: Stream, since: Date, signal: AbortSignal | undefined): Promise<number> {
  const looking = await consumer({ deliver_policy: DeliverPolicy.StartTime, opt_start_time: since.toISOString() }, signal)
  const { delivered } = await looking.info(true)
  await looking.delete()
  return delivered.stream_seq + 1
}

/** A stream that is there. */
interface Stream {
  readonly subjects: readonly string[]
  /** the last place anything was put */
  readonly end: number
  /** The last place of what a filter lets through, 0 when it is nothing. */
  last(filter: string, signal: AbortSignal | undefined): Promise<number>
  /** Waits for a server that is away. */
  consumer(options: Readonly<Record<string, unknown>>, signal: AbortSignal | undefined): Promise<Consumer>
}

/** The library would ask for seconds while it is not connected; the bus knows at once. */
async function openStream(bus: Bus, signal: AbortSignal | undefined): Promise<Stream> {
  const name = streamName(bus.root)
  const connection = connectionOf(bus)
  const attempt = `recall events of the stream ${name}`
  const state = await streamState(bus, { signal })
  if (!connection || !state) throw new Failure('unimplemented', `${attempt}: this NATS system keeps none`)
  return {
    subjects: state.config.subjects,
    end: state.state.last_seq,
    last: async (filter, signal) => (await storedMessage(bus, { last_by_subj: filter }, { signal }))?.seq ?? 0,
    consumer: (options, signal) =>
      retry(
        () =>
          jetstream(connection)
            .consumers.get(name, options)
            .catch((error: unknown) => {
              throw new Failure(whyNot(error), `${attempt}: ${(error as Error).message}`, { cause: error })
            }),
        { tries: Number.POSITIVE_INFINITY, signal },
      ),
  }
}

/** Only of a server that is away it can be said that it may come back. */
function whyNot(error: unknown): Code {
  if (isDenied(error)) return 'permission_denied'
  return error instanceof JetStreamApiError && error.status < 500 ? 'internal' : 'unavailable'
}

interface Reading {
  /** all of the stream, unless given */
  readonly filter: string | undefined
  readonly wanted: readonly string[]
  readonly from: number
  readonly signal: AbortSignal | undefined
}

/** ms the server keeps a consumer nobody reads from */
const idleMs = 60_000

/** Read up to a place. How many are left a server of 2.9 does not always know when it says so; where the last one lies it does. */
async function* readTo(stream: Stream, { end, ...reading }: Reading & { filter: string; end: number }): AsyncGenerator<Kept> {
  const last = await stream.last(reading.filter, reading.signal)
  if (last < reading.from) return
  for await (const { seq, event } of read(stream, reading)) {
    if (event && seq <= end) yield { ...event, seq }
    if (seq >= Math.min(last, end)) return
  }
}

async function* readOn(stream: Stream, reading: Reading): AsyncGenerator<Kept> {
  for await (const { seq, event } of read(stream, reading)) if (event) yield { ...event, seq }
}

/** Every place the filter lets through, and the fact there if it is wanted. Through one consumer, which is made anew when the server has lost it. */
async function* read(
  stream: Stream,
  { filter, wanted, from, signal }: Reading,
): AsyncGenerator<{ seq: number; event: Envelope | undefined }> {
  const start = { deliver_policy: DeliverPolicy.StartSequence, opt_start_seq: from }
  const options = { ...start, ...(filter !== undefined && { filter_subjects: filter }), inactive_threshold: nanoseconds(idleMs) }
  const consumer = await stream.consumer(options, signal)
  const messages = await consumer.consume({ max_messages: 256, idle_heartbeat: 5_000 })
  const stop = () => messages.stop()
  signal?.addEventListener('abort', stop)
  try {
    signal?.throwIfAborted()
    for await (const { seq, subject, data } of messages) {
      yield { seq, event: wanted.some((one) => matches(one, subject)) ? kept(subject, data) : undefined }
      signal?.throwIfAborted()
    }
    signal?.throwIfAborted()
  } finally {
    signal?.removeEventListener('abort', stop)
    await messages.close()
  }
}

/** Undefined for what somebody else told there. */
function kept(subject: string, payload: Uint8Array): Envelope | undefined {
  try {
    return openEnvelope({ subject, headers: {}, payload })
  } catch {
    return undefined
  }
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
