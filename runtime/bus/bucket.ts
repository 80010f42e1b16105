/** Values the whole NATS system agrees on. The only file that knows the key-value library. */
import {
  DiscardPolicy,
  JetStreamApiCodes,
  JetStreamApiError,
  type JetStreamManager,
  jetstream,
  jetstreamManager,
  RetentionPolicy,
  StorageType,
  type StreamConfig,
} from '@nats-io/jetstream'
import { type KV, type KvEntry, Kvm } from '@nats-io/kv'
import { Failure } from '../../messages/grammar/index.ts'
import { given } from '../given.ts'
import type { Bus, Delivery } from './bus.ts'
import { decode, encode, encodingHeaders } from './codec.ts'
import { connectionOf, replicasOf } from './nats.ts'
import { isDenied } from './nats-failures.ts'

/** A value, and its place in the order of all changes: what a change to it must name. */
export interface Entry<Value> {
  readonly key: string
  /** undefined once it is removed */
  readonly value: Value | undefined
  readonly revision: number
}

/**
 * Values by key, each changed only by who has seen what it was. Keys are made of letters, digits, `-`, `_`, `=`, `/` and `.`; they are subjects, so `.` parts tokens.
 * Every operation fails with unavailable when JetStream does not answer: whoever uses a bucket must be able to do without.
 */
export interface Bucket<Value> {
  get(key: string): Promise<Entry<Value> | undefined>
  /** Put the first value of a key. Answers its revision; undefined when there is one: somebody else was first. */
  create(key: string, value: Value): Promise<number | undefined>
  /** Put another value where `revision` was seen. Answers its revision; undefined when it is not as seen any more. */
  update(key: string, value: Value, revision: number): Promise<number | undefined>
  /** Take a value away where `revision` was seen. Answers whether it was as seen. */
  remove(key: string, revision: number): Promise<boolean>
  /** What is there now. */
  all(options: { signal: AbortSignal }): AsyncIterable<Entry<Value>>
  /** What is there now, then every change, until given up. Changes that were not taken in time are told as the last of them. */
  watch(keys: string, options: { signal: AbortSignal }): AsyncIterable<Entry<Value>>
}

export interface BucketInit {
  /** of letters, digits, `-` and `_`; every tenant has its own */
  readonly name: string
  /** ms after which a value nobody changed is gone */
  readonly ttlMs?: number
  /** whether values survive the server (true) or only their makers (false) */
  readonly kept: boolean
  /** servers it is kept on; what the address of the bus says if left out */
  readonly replicas?: number | undefined
}

/** ms an operation may take: a pull would sooner do without */
const patience = 2_000

/**
 * Open a bucket, made if it is not there. Undefined when there is no JetStream; fails with unavailable when it does not answer, or when the bucket is not there and not ours to
 * make.
 *
 * A change is told by the server itself, on `gantry.all.bus.kept.<name>.<key>`, once it has it: nothing here makes a consumer, for who may do that may have the
 * server say anything to anybody.
 */
export async function openBucket<Value>(bus: Bus, init: BucketInit): Promise<Bucket<Value> | undefined> {
  const connection = connectionOf(bus)
  if (!connection) return undefined
  const full = `${bus.root.replaceAll('.', '_').toUpperCase()}_${init.name.toUpperCase()}`
  const told = `${bus.root}.all.bus.kept.${init.name}`
  const attempt = async <T>(what: string, work: () => Promise<T>): Promise<T> => {
    try {
      return await given(AbortSignal.timeout(patience), work())
    } catch (error) {
      throw new Failure('unavailable', `${what} ${full}: ${(error as Error).message}`, { cause: error })
    }
  }
  let manager: JetStreamManager
  let store: KV
  try {
    manager = await jetstreamManager(connection, { timeout: patience })
    await make(manager, { replicas: replicasOf(bus), ...init, full, told })
    store = await new Kvm(jetstream(connection, { timeout: patience })).open(full)
  } catch (error) {
    if (isWithout(error)) return undefined
    throw new Failure('unavailable', `open the bucket ${full}: ${(error as Error).message}`, { cause: error })
  }
  const get = (key: string): Promise<Entry<Value> | undefined> =>
    attempt(`read ${key} of`, async () => {
      const entry = await store.get(key)
      return entry ? read<Value>(entry) : undefined
    })
  const keysOf = async (pattern: string): Promise<string[]> => {
    if (!/[*>]/.test(pattern)) return [pattern]
    const subjects = await attempt('list', async () => {
      const { state } = await manager.streams.info(`KV_${full}`, { subjects_filter: `$KV.${full}.${pattern}` })
      return Object.keys(state.subjects ?? {})
    })
    return subjects.map((subject) => subject.slice(`$KV.${full}.`.length))
  }
  return {
    get,
    create: (key, value) => attempt(`create ${key} in`, () => unlessLost(store.create(key, bytes(value)))),
    update: (key, value, revision) => attempt(`update ${key} in`, () => unlessLost(store.update(key, bytes(value), revision, patience))),
    remove: (key, revision) =>
      attempt(`remove ${key} from`, async () => {
        const removed = await unlessLost(store.delete(key, { previousSeq: revision }).then(() => revision))
        return removed !== undefined
      }),
    async *all({ signal }) {
      for (const key of await keysOf('>')) {
        signal.throwIfAborted()
        const entry = await get(key)
        if (entry?.value !== undefined) yield entry
      }
    },
    async *watch(keys, { signal }) {
      signal.throwIfAborted()
      const changes = new Changes<Value>()
      const look = async (): Promise<void> => {
        for (const key of await keysOf(keys)) changes.add(await get(key))
      }
      await using heard = bus.subscribe(`${told}.${keys}`, (delivery) => changes.add(change<Value>(delivery, told)))
      // What was told while the bus was away was not heard.
      using _status = bus.onStatus((status) => status === 'connected' && void look().catch((error: unknown) => changes.fail(error)))
      await given(signal, heard.ready)
      await given(signal, look())
      while (true) yield await given(signal, changes.next())
    },
  }
}

interface Making extends BucketInit {
  readonly full: string
  readonly told: string
}

/** See to it that the stream of a bucket is there, and as it should be. One that somebody else made, and who may not change it, is taken as it is. */
async function make(manager: JetStreamManager, { full, told, ttlMs = 0, kept, replicas }: Making): Promise<void> {
  const name = `KV_${full}`
  const there = await configOf(manager, name)
  const republish = { src: `$KV.${full}.>`, dest: `${told}.>` }
  if (there) {
    const right = there.republish?.dest === republish.dest && (replicas === undefined || there.num_replicas === replicas)
    if (right) return
    const changed = { republish, ...(replicas !== undefined && { num_replicas: replicas }) }
    await manager.streams.update(name, changed).catch((error: unknown) => {
      if (!isDenied(error) || !there.republish) throw error
    })
    return
  }
  await manager.streams.add({
    name,
    subjects: [`$KV.${full}.>`],
    republish,
    max_msgs_per_subject: 1,
    storage: kept ? StorageType.File : StorageType.Memory,
    retention: RetentionPolicy.Limits,
    discard: DiscardPolicy.New,
    num_replicas: replicas ?? 1,
    max_age: ttlMs * 1_000_000,
    duplicate_window: Math.min(ttlMs || dedupeMs, dedupeMs) * 1_000_000,
    // A receipt can be sent anywhere, also where it would be read as a wish to purge.
    deny_purge: true,
    deny_delete: true,
    // What a value says must not be sent anywhere as it is; and who reads it may be about to change it.
    allow_direct: false,
  })
}

const dedupeMs = 2 * 60 * 1_000

async function configOf(manager: JetStreamManager, name: string): Promise<StreamConfig | undefined> {
  try {
    return (await manager.streams.info(name)).config
  } catch (error) {
    if (error instanceof JetStreamApiError && error.code === JetStreamApiCodes.StreamNotFound) return undefined
    throw error
  }
}

/** Changes nobody has taken yet: of each key the latest, in the order the keys came first. */
class Changes<Value> {
  readonly #waiting = new Map<string, Entry<Value>>()
  readonly #seen = new Map<string, number>()
  #wake = (): void => {}
  #failure: unknown

  /** An older one than was seen of its key is no change. */
  add(entry: Entry<Value> | undefined): void {
    if (!entry || entry.revision <= (this.#seen.get(entry.key) ?? 0)) return
    this.#seen.set(entry.key, entry.revision)
    this.#waiting.set(entry.key, entry)
    this.#wake()
  }

  fail(error: unknown): void {
    this.#failure ??= error
    this.#wake()
  }

  async next(): Promise<Entry<Value>> {
    while (true) {
      const [first] = this.#waiting.values()
      if (first) {
        this.#waiting.delete(first.key)
        return first
      }
      if (this.#failure) throw this.#failure
      await new Promise<void>((resolve) => {
        this.#wake = resolve
      })
    }
  }
}

/** What the server tells of a change; undefined for what somebody else says there. */
function change<Value>({ subject, headers, payload }: Delivery, told: string): Entry<Value> | undefined {
  const revision = Number(headers['Nats-Sequence'])
  if (!(revision > 0)) return undefined
  const key = subject.slice(told.length + 1)
  return { key, revision, value: headers['KV-Operation'] ? undefined : valueIn<Value>(payload) }
}

/** JetStream: "wrong last sequence". */
const wrongLastSequence = 10071

/** Nobody answers for JetStream, or the account has none. */
const isWithout = (error: unknown): boolean =>
  (error instanceof JetStreamApiError && [10039, 10076].includes(error.code)) ||
  (error instanceof Error && ['JetStreamNotEnabled', 'JetStreamError'].includes(error.name) && /not enabled/i.test(error.message))

async function unlessLost(work: Promise<number>): Promise<number | undefined> {
  try {
    return await work
  } catch (error) {
    if (error instanceof JetStreamApiError && error.code === wrongLastSequence) return undefined
    throw error
  }
}

const bytes = (value: unknown): Uint8Array => encode(value, 'msgpack')

const valueIn = <Value>(payload: Uint8Array): Value => decode({ headers: encodingHeaders('msgpack'), payload }) as Value

function read<Value>({ key, value, revision, operation }: KvEntry): Entry<Value> {
  return { key, revision, value: operation === 'PUT' ? valueIn<Value>(value) : undefined }
}
