import { type Code, Failure, isFailure, type Log } from '../../messages/grammar/index.ts'
import type { Known } from '../../messages/tag.ts'
import type { Descriptor, Digest } from '../../messages/words/index.ts'
import type { Bucket, Entry as Value } from '../../runtime/bus/bucket.ts'
import type { Wanted } from './freshness.ts'

/** What the cluster knows of a name. */
export type Entry = Known

/** Who asks the registry about a name at the moment; then, for those who wait, why it could not. */
export interface Asked {
  readonly node: string
  readonly failed?: { readonly code: Code; readonly message: string }
}

export interface AgreeComponents {
  readonly node: string
  readonly now: () => number
  /** both undefined: this node asks for itself */
  readonly names?: Bucket<Entry> | undefined
  readonly asked?: Bucket<Asked> | undefined
  /** Ask the registry. */
  readonly ask: () => PromiseLike<{ descriptor: Descriptor }>
  readonly tell: (fact: 'moved', data: { name: string; digest: Digest; previous: Digest }) => Promise<void>
  readonly log: Log
  /** ms who asks the registry has, before others ask for themselves (10,000) */
  readonly patienceMs?: number
}

export interface AgreeInit {
  readonly name: string
  /** what the name itself says it stands for */
  readonly digest: Digest | undefined
  readonly wanted: Wanted
}

/** What a name stands for, and how good the answer is. */
export interface Answer extends Known {
  readonly ageMs: number
  readonly stale: boolean
  readonly why?: string
}

/**
 * What a name stands for, no older than wanted. Of all who want to know at the same moment one asks the registry, the others take its answer: it was given after they asked. When the registry cannot be
 * asked, what is known may do. A name that is shared is not the registry's.
 */
export async function agreeOn(components: AgreeComponents, init: AgreeInit, { signal }: { signal: AbortSignal }): Promise<Answer> {
  const { names, now, log } = components
  const { name, wanted } = init
  const known = await names
    ?.get(keyOf(name))
    .catch((error: unknown) => void log.warn({ err: error, name }, 'look up a name in the cluster'))
  const age = known?.value ? now() - Date.parse(known.value.checkedAt) : Number.POSITIVE_INFINITY
  if (known?.value && !wanted.requireUpstream && (known.value.source === 'shared' || age <= wanted.maxAgeMs))
    return answer(known.value, now())
  try {
    return answer(await askOnce(components, { ...init, known }, { signal }), now())
  } catch (error) {
    const failure = Failure.from(error)
    if (!known?.value || age > wanted.staleIfErrorMs || !canNotSay.includes(failure.code)) throw error
    return { ...answer(known.value, now()), stale: true, why: failure.message }
  }
}

/** What a name is known by: keys are subjects. */
export const keyOf = (name: string): string => Buffer.from(name).toString('base64url')

/** The registry did not answer, or not now; that there is no such name is an answer. */
const canNotSay: readonly Code[] = ['unavailable', 'deadline_exceeded', 'resource_exhausted', 'internal']

function answer(known: Known, now: number): Answer {
  return { ...known, ageMs: Math.max(0, Math.round(now - Date.parse(known.checkedAt))), stale: false }
}

interface Asking extends AgreeInit {
  readonly known: Value<Entry> | undefined
}

/** Ask the registry, unless somebody does: then wait for what it says. */
async function askOnce(components: AgreeComponents, asking: Asking, { signal }: { signal: AbortSignal }): Promise<Entry> {
  const { names, asked, node, patienceMs = 10_000 } = components
  if (!names || !asked) return await askMyself(components, asking)
  const key = keyOf(asking.name)
  while (true) {
    const right = await asked.create(key, { node }).catch(() => undefined)
    const since = asking.known?.revision ?? 0
    if (right !== undefined) {
      // Somebody may have asked, and left, between our look and our getting the right.
      const brought = newer(await names.get(key).catch(() => undefined), since)
      if (!brought) return await askForAll({ ...components, names, asked }, asking, right)
      await asked.remove(key, right).catch((why: unknown) => components.log.debug({ err: why }, 'let others ask'))
      return brought
    }
    const theirs = await waitFor({ names, asked }, { key, since, patienceMs }, { signal })
    if (theirs === 'gone') continue
    if (theirs) return theirs
    return await askMyself(components, asking)
  }
}

/** What an entry says, if it was put there after `since`. */
const newer = (entry: Value<Entry> | undefined, since: number): Entry | undefined =>
  entry && entry.revision > since ? entry.value : undefined

async function askMyself({ ask, node, now }: AgreeComponents, { name, digest }: Asking): Promise<Entry> {
  const { descriptor } = await ask()
  return { name, descriptor, checkedAt: new Date(now()).toISOString(), by: node, source: digest === undefined ? 'registry' : 'digest' }
}

type Together = AgreeComponents & { readonly names: Bucket<Entry>; readonly asked: Bucket<Asked> }

async function askForAll(components: Together, asking: Asking, right: number): Promise<Entry> {
  const { names, asked, node, log, tell } = components
  const key = keyOf(asking.name)
  try {
    const entry = await askMyself(components, asking)
    await keep(names, key, entry)
    const previous = asking.known?.value?.descriptor.digest
    if (previous !== undefined && previous !== entry.descriptor.digest)
      await tell('moved', { name: entry.name, digest: entry.descriptor.digest, previous })
    await asked.remove(key, right)
    return entry
  } catch (error) {
    const { code, message } = Failure.from(error)
    // Those who wait hear why, then the next may try.
    const said = await asked.update(key, { node, failed: { code, message } }, right).catch(() => undefined)
    if (said !== undefined) await asked.remove(key, said).catch((why: unknown) => log.debug({ err: why }, 'let others ask'))
    throw error
  }
}

/** What the registry said last stands, whoever else wrote meanwhile. */
async function keep(names: Bucket<Entry>, key: string, entry: Entry): Promise<void> {
  for (let tries = 0; tries < 5; tries++) {
    const known = await names.get(key)
    if (known?.value?.source === 'shared') return
    const done = known?.value ? await names.update(key, entry, known.revision) : await names.create(key, entry)
    if (done !== undefined) return
  }
}

/** What who asks brings: an entry newer than `since`, `gone` when it left without, undefined when nothing can be known of it. Fails as it failed. */
async function waitFor(
  { names, asked }: Pick<Together, 'names' | 'asked'>,
  { key, since, patienceMs }: { key: string; since: number; patienceMs: number },
  { signal }: { signal: AbortSignal },
): Promise<Entry | 'gone' | undefined> {
  const done = new AbortController()
  const patience = AbortSignal.timeout(patienceMs)
  const either = AbortSignal.any([signal, done.signal, patience])
  const brought = async (): Promise<Entry | 'gone'> => {
    for await (const entry of names.watch(key, { signal: either })) {
      const value = newer(entry, since)
      if (value) return value
    }
    return 'gone'
  }
  const left = async (): Promise<Entry | 'gone'> => {
    for await (const { value } of asked.watch(key, { signal: either })) {
      if (value?.failed) throw new Failure(value.failed.code, value.failed.message)
      if (value === undefined) break
    }
    return newer(await names.get(key), since) ?? 'gone'
  }
  try {
    return await Promise.race([brought(), left()])
  } catch (error) {
    signal.throwIfAborted()
    if (patience.aborted || isFailure(error, 'unavailable')) return undefined
    throw error
  } finally {
    done.abort()
  }
}
