import { randomUUID } from 'node:crypto'
import { leaseMachine } from '../../machines/lease.ts'
import { Failure, isFailure, type Log } from '../../messages/grammar/index.ts'
import type { LeaseInfo } from '../../messages/lease.ts'
import type { Labels, Thing } from '../../messages/words/index.ts'
import { openAlarm } from '../../runtime/alarm.ts'
import { parseFilters } from '../../runtime/filter.ts'
import { openKeeping } from '../../runtime/keeping/keeping.ts'
import { hasEnded, openLeases } from '../../runtime/keeping/leases.ts'
import type { Outbox } from '../../runtime/records/outbox.ts'
import { records, type Stored } from '../../runtime/records/records.ts'
import type { Tables } from '../../runtime/tables.ts'
import { expiry, type Until } from './expiry.ts'

interface Asked {
  readonly signal: AbortSignal
  readonly trace?: string | undefined
}

/** Leases and what they hold. One whose time has come is there for nobody any more; a moment later it has ended and that is told. */
export interface LeaseStore extends AsyncDisposable {
  /** End what has expired meanwhile, and from now on what does. Once, before anything is asked. */
  start(): Promise<void>
  /** Fails with already_exists. */
  create(request: { id?: string | undefined; labels: Labels } & Until, asked: Asked): Promise<LeaseInfo>
  /** Fails with not_found. */
  renew(id: string, until: Until, asked: Asked): Promise<LeaseInfo>
  /** All or none; fails with not_found when the lease or one of the things is not there. If `some` are enough, those that are not there are passed over, and answered. */
  add(id: string, things: readonly Thing[], options?: { some?: true | undefined }): Promise<Thing[]>
  /** Fails with not_found when the lease is not there. */
  drop(id: string, things: readonly Thing[]): Promise<void>
  /** Fails with not_found. */
  get(id: string, options: { after?: Thing | undefined }): LeaseInfo & { things: Thing[]; more: boolean }
  list(options: { after?: string | undefined; filters?: readonly string[] | undefined }): { leases: LeaseInfo[]; more: boolean }
  /** Fails with not_found. */
  remove(id: string, asked: Asked): Promise<void>
}

export interface LeaseStoreComponents {
  readonly tables: Tables
  readonly outbox: Pick<Outbox, 'put'>
  readonly log: Log
  /** now, RFC 3339 */
  readonly now: () => string
}

/** Most leases, or things, in one page. */
const page = 1000

export function openLeaseStore({ tables, outbox, log, now }: LeaseStoreComponents): LeaseStore {
  const holding = openLeases(tables, { now })
  const keeping = openKeeping(tables, { now })
  const alarm = openAlarm({ now, ring: () => void endOver() })
  const stored = records(
    { tables, outbox, log },
    {
      actor: 'lease',
      table: 'lease',
      machine: leaseMachine,
      effects: {},
      announcements: {
        tellCreated: (record) => ({ fact: 'created', data: infoOf(record) }),
        tellRenewed: (record) => ({ fact: 'renewed', data: infoOf(record) }),
        tellRemoved: ({ id }, { why }) => ({ fact: 'removed', data: { id, why } }),
      },
      also: (_, { id, value, context }) => (value === 'ended' ? holding.end(id) : holding.begin(id, context.expiresAt)),
    },
  )

  /** A lease that lasts. */
  function lasting(id: string, attempted: string): Stored<typeof leaseMachine> {
    const found = stored.get(id)
    if (!found || hasEnded(found.context, now())) throw noSuch(id, attempted)
    return found
  }

  const begun = (record: Stored<typeof leaseMachine>): LeaseInfo => {
    if (record.context.expiresAt !== undefined) alarm.by(record.context.expiresAt)
    return infoOf(record)
  }

  /** End it if its time has come; whether it was there. */
  async function end(id: string): Promise<void> {
    try {
      await stored.send(id, { type: 'expire', at: now() })
    } catch (error) {
      // Renewed, removed or ended by somebody else meanwhile.
      if (!isFailure(error, 'failed_precondition', 'not_found')) throw error
    }
  }

  /** End every lease whose time has come, and set the alarm to the next. */
  async function endOver(): Promise<void> {
    const at = now()
    for (const { id, context } of stored.list()) {
      if (context.expiresAt === undefined) continue
      if (hasEnded(context, at)) await endOrRetry(id)
      else alarm.by(context.expiresAt)
    }
  }

  async function endOrRetry(id: string): Promise<void> {
    try {
      await end(id)
    } catch (error) {
      if (isFailure(error, 'cancelled')) return
      log.warn({ error, id }, 'end an expired lease: tried again')
      alarm.by(new Date(Date.parse(now()) + again).toISOString())
    }
  }

  return {
    start: endOver,
    async create({ id = randomUUID(), labels, ...until }, asked) {
      const createdAt = now()
      const expiresAt = expiry(until, createdAt)
      const before = stored.get(id)
      if (before && hasEnded(before.context, createdAt)) await end(id)
      return begun(await stored.create(id, { createdAt, labels, ...(expiresAt !== undefined && { expiresAt }) }, asked))
    },
    async renew(id, until, asked) {
      const attempted = 'renew'
      lasting(id, attempted)
      try {
        const at = now()
        return begun(await stored.send(id, { type: 'renew', expiresAt: expiry(until, at), at }, asked))
      } catch (error) {
        if (isFailure(error, 'failed_precondition')) throw noSuch(id, attempted)
        throw error
      }
    },
    add: (id, things, { some } = {}) =>
      tables.transaction(() => {
        lasting(id, 'add things to')
        const absent = things.filter((thing) => !keeping.hold(thing, id))
        const [first] = absent
        if (first && !some) throw new Failure('not_found', `add ${first.kind} ${first.key} to lease ${id}: it is not there`)
        return absent
      }),
    drop: (id, things) =>
      tables.transaction(() => {
        lasting(id, 'drop things of')
        for (const thing of things) holding.drop(id, thing)
      }),
    get(id, { after }) {
      const info = infoOf(lasting(id, 'get'))
      // What has gone since, as an ingest that became content, is held by name only.
      const things = (Iterator.from(holding.things(id, { after })) as IteratorObject<Thing>)
        .filter(keeping.has)
        .take(page + 1)
        .toArray()
      return { ...info, things: things.slice(0, page), more: things.length > page }
    },
    list({ after, filters = [] }) {
      const at = now()
      const passes = parseFilters(filters)
      const lasting = stored.list({ after }).filter(({ context }) => !hasEnded(context, at))
      const found = lasting.map(infoOf).filter(passes)
      return { leases: found.slice(0, page), more: found.length > page }
    },
    async remove(id, asked) {
      lasting(id, 'remove')
      await stored.send(id, { type: 'remove' }, asked)
    },
    async [Symbol.asyncDispose]() {
      alarm[Symbol.dispose]()
      await stored[Symbol.asyncDispose]()
    },
  }
}

/** ms until what could not be written is tried again */
const again = 10_000

const noSuch = (id: string, attempted: string) => new Failure('not_found', `${attempted} lease ${id}: there is none`)

const infoOf = ({ id, context: { createdAt, expiresAt, labels } }: Stored<typeof leaseMachine>): LeaseInfo => ({
  id,
  createdAt,
  ...(expiresAt !== undefined && { expiresAt }),
  labels,
})
