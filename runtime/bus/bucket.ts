/** Values the whole NATS system agrees on. The only file that knows the key-value library. */
import { JetStreamApiError, jetstream, StorageType } from '@nats-io/jetstream'
import { type KV, type KvEntry, Kvm } from '@nats-io/kv'
import { Failure } from '../../messages/grammar/index.ts'
import { given } from '../given.ts'
import type { Bus } from './bus.ts'
import { decode, encode, encodingHeaders } from './codec.ts'
import { connectionOf } from './nats.ts'

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
}

/** ms an operation may take: a pull would sooner do without */
const patience = 2_000

/** Open a bucket, made if it is not there. Undefined when there is no JetStream; fails with unavailable when it does not answer. */
export async function openBucket<Value>(bus: Bus, { name, ttlMs, kept }: BucketInit): Promise<Bucket<Value> | undefined> {
  const connection = connectionOf(bus)
  if (!connection) return undefined
  const full = `${bus.root.replaceAll('.', '_').toUpperCase()}_${name.toUpperCase()}`
  const attempt = async <T>(what: string, work: () => Promise<T>): Promise<T> => {
    try {
      return await given(AbortSignal.timeout(patience), work())
    } catch (error) {
      throw new Failure('unavailable', `${what} ${full}: ${(error as Error).message}`, { cause: error })
    }
  }
  let store: KV
  try {
    store = await new Kvm(jetstream(connection, { timeout: patience })).create(full, {
      history: 1,
      storage: kept ? StorageType.File : StorageType.Memory,
      ...(ttlMs !== undefined && { ttl: ttlMs }),
      timeout: patience,
    })
  } catch (error) {
    if (isWithout(error)) return undefined
    throw new Failure('unavailable', `open the bucket ${full}: ${(error as Error).message}`, { cause: error })
  }
  return {
    get: (key) =>
      attempt(`read ${key} of`, async () => {
        const entry = await store.get(key)
        return entry ? read<Value>(entry) : undefined
      }),
    create: (key, value) => attempt(`create ${key} in`, () => unlessLost(store.create(key, bytes(value)))),
    update: (key, value, revision) => attempt(`update ${key} in`, () => unlessLost(store.update(key, bytes(value), revision, patience))),
    remove: (key, revision) =>
      attempt(`remove ${key} from`, async () => {
        const removed = await unlessLost(store.delete(key, { previousSeq: revision }).then(() => revision))
        return removed !== undefined
      }),
    async *all({ signal }) {
      const keys = await attempt('list', () => store.keys())
      for await (const key of keys) {
        signal.throwIfAborted()
        const entry = await attempt(`read ${key} of`, () => store.get(key))
        if (entry?.operation === 'PUT') yield read<Value>(entry)
      }
    },
    async *watch(keys, { signal }) {
      signal.throwIfAborted()
      const entries = await attempt(`watch ${keys} of`, () => store.watch({ key: keys }))
      const stop = (): void => entries.stop()
      if (signal.aborted) stop()
      signal.addEventListener('abort', stop)
      try {
        for await (const entry of entries) {
          signal.throwIfAborted()
          yield read<Value>(entry)
        }
        signal.throwIfAborted()
      } finally {
        signal.removeEventListener('abort', stop)
        entries.stop()
      }
    },
  }
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

function read<Value>({ key, value, revision, operation }: KvEntry): Entry<Value> {
  const removed = operation !== 'PUT'
  return { key, revision, value: removed ? undefined : (decode({ headers: encodingHeaders('msgpack'), payload: value }) as Value) }
}
