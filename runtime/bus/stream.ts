/** The stream that keeps the facts. The only file that knows the JetStream library. */
import {
  DeliverPolicy,
  DiscardPolicy,
  JetStreamApiCodes,
  JetStreamApiError,
  type JetStreamManager,
  jetstream,
  jetstreamManager,
  RetentionPolicy,
  StorageType,
} from '@nats-io/jetstream'
import { eventSubject, Failure, type Protocol } from '../../messages/grammar/index.ts'
import type { Bus } from './bus.ts'
import { type Envelope, openEnvelope } from './envelope.ts'
import type { Hearing } from './listen.ts'
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
  const manager = await managerOf(bus)
  if (!manager) return false
  const name = streamName(bus.root)
  const { maxAgeMs = 7 * day, maxBytes = 256 * 1024 * 1024, dedupeMs = 2 * 60 * 1_000 } = keeping
  const bounds = { max_age: nanoseconds(maxAgeMs), max_bytes: maxBytes, duplicate_window: nanoseconds(Math.min(dedupeMs, maxAgeMs)) }
  const subjects = durableSubjects(bus.root, keeping.protocols)
  try {
    const kept = await keptSubjects(manager, name)
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
  /** facts kept since then; all that are kept unless given */
  readonly since?: Date | undefined
  /** go on, once what is kept has been told, with what is told from now on */
  readonly follow?: boolean | undefined
  readonly signal?: AbortSignal | undefined
}

/** Facts that were kept, oldest first. Fails with unimplemented when nothing is kept here, with unavailable when the stream is away. */
export async function* recall(bus: Bus, recalling: Recalling = {}): AsyncGenerator<Envelope> {
  const { since, follow = false, signal } = recalling
  const connection = connectionOf(bus)
  const name = streamName(bus.root)
  const manager = await managerOf(bus)
  if (!connection || !manager || !(await keptSubjects(manager, name)))
    throw new Failure('unimplemented', `recall events: this NATS system keeps none in ${name}`)
  const from = since
    ? { deliver_policy: DeliverPolicy.StartTime, opt_start_time: since.toISOString() }
    : { deliver_policy: DeliverPolicy.All }
  const consumer = await jetstream(connection).consumers.get(name, from)
  const { num_pending: pending } = await consumer.info()
  if (pending === 0 && !follow) return
  const messages = await consumer.consume({ max_messages: 256 })
  const stop = () => messages.stop()
  signal?.addEventListener('abort', stop)
  try {
    for await (const message of messages) {
      const event = openEnvelope({ headers: {}, payload: message.data })
      if (isWanted(event, recalling)) yield event
      signal?.throwIfAborted()
      if (!follow && message.info.pending === 0) return
    }
    signal?.throwIfAborted()
  } finally {
    signal?.removeEventListener('abort', stop)
    await messages.close()
  }
}

/** Chosen here: a filter of server 2.9 must lie within one subject of the stream. */
function isWanted({ source, type }: Envelope, { node, actor, fact }: Hearing): boolean {
  const [its, what] = type.split('.')
  return (node ?? source) === source && (actor ?? its) === its && (fact ?? what) === what
}

/** `GANTRY_EVENTS` for the root `gantry`. */
const streamName = (root: string): string => `${root.replaceAll('.', '_').toUpperCase()}_EVENTS`

/** One subject a durable event: a stream cannot leave out what it does not want. */
const durableSubjects = (root: string, protocols: Keeping['protocols']): string[] =>
  Object.entries(protocols).flatMap(([actor, protocol]) =>
    Object.entries(protocol).flatMap(([fact, word]) =>
      word.kind === 'event' && word.durable ? [eventSubject(root, '*', actor, fact)] : [],
    ),
  )

async function managerOf(bus: Bus): Promise<JetStreamManager | undefined> {
  const connection = connectionOf(bus)
  try {
    return connection && (await jetstreamManager(connection))
  } catch {
    return undefined
  }
}

async function keptSubjects(manager: JetStreamManager, name: string): Promise<string[] | undefined> {
  try {
    return (await manager.streams.info(name)).config.subjects
  } catch (error) {
    if (error instanceof JetStreamApiError && error.code === JetStreamApiCodes.StreamNotFound) return undefined
    throw error
  }
}

const nanoseconds = (ms: number): number => ms * 1_000_000
