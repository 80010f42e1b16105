/**
 * Facts on their way to the bus: written in the transaction of the change they report, published from there.
 *
 * None is lost, whatever dies in between; none is told of a change that did not happen; facts about one entity are told in the order they were put.
 * A fact may be published twice, under the same id, by which the stream knows it again; before the stream can have forgotten the id, it is asked whether it has the fact.
 */
import { setTimeout as delay } from 'node:timers/promises'
import { Failure, isFailure, type Log } from '../../messages/grammar/index.ts'
import type { Bus, Packet } from '../bus/bus.ts'
import { type Envelope, envelope, eventPacket } from '../bus/envelope.ts'
import { given } from '../given.ts'
import type { Table, Tables } from '../tables.ts'

/** A fact to be told. */
export interface Told {
  readonly actor: string
  readonly fact: string
  /** what it is about: order is kept per entity */
  readonly entity: string
  readonly data: Readonly<Record<string, unknown>>
  /** traceparent of what caused it */
  readonly trace?: string | undefined
}

/** Where facts wait until the stream has them. Disposing stops publishing; what is left is published by the next one opened under the name. */
export interface Outbox extends AsyncDisposable {
  /** Only inside a transaction: told if, and only if, it commits. */
  put(told: Told): void
  /** Resolves when nothing waits any more. Never, while the bus is away and `signal` does not give up. */
  empty(options?: { signal?: AbortSignal | undefined }): Promise<void>
}

/** What an outbox needs. */
export interface OutboxParts {
  readonly tables: Tables
  /** of this part of the outbox: one for each thread */
  readonly name: string
  /** of the node whose facts these are */
  readonly node: string
  readonly bus: Pick<Bus, 'root' | 'onStatus'>
  readonly log: Log
  /** Resolves once the stream has the packet, with its place there; the same `Nats-Msg-Id` twice counts once, for a while. */
  readonly publish: (subject: string, packet: Packet, options: { signal: AbortSignal }) => Promise<number | undefined>
  /** Ids of what the stream has of this node's facts, from a place on; without it what was told long ago, or by an earlier run, may be told again. */
  readonly kept?: ((from: number, options: { signal: AbortSignal }) => AsyncIterable<string>) | undefined
  /** ms the stream is sure to remember an id (60,000: half of what it does, for clocks differ) */
  readonly sureMs?: number | undefined
}

/**
 * Open a thread's outbox, and begin to publish what waits in it. What was told is taken out in the transaction of the next fact, or in one of its own when none comes for a while: a fact
 * costs no transaction but that of its change.
 */
export function openOutbox(parts: OutboxParts): Outbox {
  const { tables, name, node } = parts
  const counters = tables.table<number>('outbox')
  const waiting = openWaiting(tables, name, counters)
  const closing = new AbortController()
  const more = bell()
  const connected = bell()
  const watch = parts.bus.onStatus((status) => {
    if (status === 'connected') connected.ring()
  })
  const drained = bell()
  const draining = drain({ ...parts, waiting, closing: closing.signal, more, connected, drained })
  return {
    put(told) {
      const number = (counters.get(name) ?? 0) + 1
      counters.put(name, number)
      waiting.put(String(number).padStart(16, '0'), envelope({ node, ...told }))
      waiting.clear()
      tables.afterCommit(more.ring)
    },
    async empty(options = {}) {
      for (;;) {
        const rung = drained.rung()
        if (waiting.first(1).length === 0) return await clear(parts, waiting)
        await given(options.signal, rung)
      }
    },
    async [Symbol.asyncDispose]() {
      watch[Symbol.dispose]()
      closing.abort()
      await draining
      await clear(parts, waiting)
    },
  }
}

/** Names of the outboxes in which something waits. */
export const waitingOutboxes = (tables: Tables): string[] =>
  [...tables.table<number>('outbox').range()]
    .map(({ key }) => key)
    .filter((name) => !name.includes(' ') && [...tables.table(`outbox.${name}`).range({ limit: 1 })].length > 0)

/** Most facts on their way at once. */
const window = 256
/** Facts that were told and not taken out, at most. */
const mostTold = 1024
/** ms after which they are taken out, if no other fact came. */
const clearMs = 250

interface Draining extends OutboxParts {
  readonly waiting: Waiting
  readonly closing: AbortSignal
  /** rung when something was put */
  readonly more: Bell
  /** rung when the bus is back */
  readonly connected: Bell
  /** rung when nothing waits */
  readonly drained: Bell
}

/** Publish what waits, in order, until closed. Waits for something to come, or, after a failure, for the bus or for a while that grows. */
async function drain(parts: Draining): Promise<void> {
  const { waiting, closing, tables, log, sureMs = 60_000 } = parts
  // Since when there are facts that the stream may have without our knowing: what an earlier run left, and what was published and not answered.
  let doubt = waiting.first(1).length > 0 ? Number.NEGATIVE_INFINITY : undefined
  for (let failed = 0; !closing.aborted; ) {
    const more = parts.more.rung()
    const connected = parts.connected.rung()
    try {
      // What a power loss could take back is not told.
      await tables.flushed()
      if (doubt !== undefined && isOver(sureMs, doubt)) {
        await recognise(parts)
        doubt = Date.now()
      }
      const page = waiting.first(window)
      if (page.length === 0) parts.drained.ring()
      const began = Date.now()
      const { told, place, failure } = await tellAll(parts, page)
      for (const key of told) waiting.tell(key)
      if (failure) doubt ??= began
      else {
        doubt = undefined
        waiting.reach(place)
      }
      if (waiting.told() >= mostTold) await tables.transaction(waiting.clear)
      if (failure) throw failure
      failed = 0
      if (page.length > 0) continue
      if (waiting.told() === 0) await given(closing, more)
      else if (!(await soon(closing, more, clearMs))) await tables.transaction(waiting.clear)
    } catch (error) {
      if (closing.aborted) return
      log.warn({ error, outbox: parts.name, attempt: ++failed }, 'publish facts: they wait for the bus')
      await either(closing, connected, pauseMs(failed))
    }
  }
}

/** A clock that was set back says nothing of how long it took. */
const isOver = (ms: number, since: number): boolean => Date.now() - since >= ms || Date.now() < since

/** Take for told what the stream says it has. What was published without being told lies in the stream behind all that was told before it. */
async function recognise({ kept, waiting, closing, log, name }: Draining): Promise<void> {
  const keys = new Map(waiting.first(mostTold + window).map(({ key, value }) => [value.id, key]))
  if (!kept || keys.size === 0) return
  let count = 0
  for await (const id of kept(waiting.reached() + 1, { signal: closing })) {
    const key = keys.get(id)
    if (key === undefined) continue
    waiting.tell(key)
    if (++count === keys.size) break
  }
  if (count > 0) log.info({ outbox: name, count }, 'facts that the stream had all the time')
}

const clear = async ({ tables }: OutboxParts, waiting: Waiting): Promise<void> => {
  if (waiting.told() > 0) await tables.transaction(waiting.clear)
}

/** Publish a page: entities beside each other, the facts about one after another, up to the first that fails. Answers the last place in the stream too. */
async function tellAll(
  parts: Draining,
  page: readonly { key: string; value: Envelope }[],
): Promise<{ told: string[]; place: number; failure: Failure | undefined }> {
  const told: string[] = []
  let place = 0
  let failure: Failure | undefined
  const entities = Map.groupBy(page, ({ value }) => value.subject ?? '')
  const each = Array.from(entities.values(), async (facts) => {
    for (const { key, value } of facts) {
      const its = await tellOne(parts, value)
      place = Math.max(place, its)
      told.push(key)
    }
  })
  for (const result of await Promise.allSettled(each)) if (result.status === 'rejected') failure ??= Failure.from(result.reason)
  return { told, place, failure }
}

/** Publish one fact. One that no bus can carry is logged and given up: it would stand in the way of all that follow. */
async function tellOne(parts: Draining, event: Envelope): Promise<number> {
  const { subject, packet } = eventPacket(parts.bus.root, event)
  try {
    return (await parts.publish(subject, packet, { signal: parts.closing })) ?? 0
  } catch (error) {
    if (!isFailure(error, 'invalid_argument', 'out_of_range')) throw error
    parts.log.error({ error, event }, `publish ${event.type} of ${event.subject}: given up`)
    return 0
  }
}

/** From a tenth of a second to ten. */
const pauseMs = (failed: number): number => Math.min(10_000, 100 * 2 ** (failed - 1)) * (0.5 + Math.random() / 2)

/** What is in the table, and what of it was told already. */
interface Waiting {
  /** Inside a transaction. */
  put(key: string, event: Envelope): void
  /** The first of those that were not told. */
  first(limit: number): { key: string; value: Envelope }[]
  /** It was told. */
  tell(key: string): void
  /** How many were told and are in the table all the same. */
  told(): number
  /** All that was ever published was told, and the last of it lies there in the stream. */
  reach(place: number): void
  reached(): number
  /** Inside a transaction: take them out. */
  clear(): void
}

function openWaiting(tables: Tables, name: string, counters: Table<number>): Waiting {
  const table: Table<Envelope> = tables.table(`outbox.${name}`)
  const place = `${name} reached`
  const told = new Set<string>()
  let reached = counters.get(place) ?? 0
  return {
    put: table.put,
    first: (limit) => [
      ...Iterator.from(table.range({ limit: limit + told.size }))
        .filter(({ key }) => !told.has(key))
        .take(limit),
    ],
    tell: (key) => void told.add(key),
    told: () => told.size,
    reach(place) {
      reached = Math.max(reached, place)
    },
    reached: () => reached,
    clear() {
      if (counters.get(place) !== reached) counters.put(place, reached)
      const keys = [...told]
      for (const key of keys) table.remove(key)
      tables.afterCommit(() => {
        for (const key of keys) told.delete(key)
      })
    },
  }
}

/** Something to wait for that happens again and again. */
interface Bell {
  readonly ring: () => void
  /** Resolves at the next ring: ask before looking, wait after. */
  rung(): Promise<void>
}

function bell(): Bell {
  let next = Promise.withResolvers<void>()
  return {
    ring: () => {
      next.resolve()
      next = Promise.withResolvers<void>()
    },
    rung: () => next.promise,
  }
}

/** Whether it comes within `ms`. Gives up when told to. */
async function soon(signal: AbortSignal, wait: Promise<void>, ms: number): Promise<boolean> {
  const over = new AbortController()
  try {
    const late = delay(ms, false, { signal: over.signal, ref: false })
    return await given(signal, Promise.race([wait.then(() => true), late]))
  } finally {
    over.abort()
  }
}

/** Wait for one of the two; give up quietly. */
async function either(signal: AbortSignal, wait: Promise<void>, ms: number): Promise<void> {
  const over = new AbortController()
  try {
    await Promise.race([wait, delay(ms, undefined, { signal: AbortSignal.any([signal, over.signal]), ref: false })])
  } catch {
    // Closed meanwhile: the caller looks.
  } finally {
    over.abort()
  }
}
