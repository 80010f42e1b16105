import { Failure } from '../../messages/grammar/index.ts'
import type { Table, Tables } from '../tables.ts'
import { nameOf, type Thing, thingOf } from './things.ts'

/** What leases hold. Who owns leases says when one begins and ends; everything else may only add to one that has begun. */
export interface Leases {
  /**
   * Inside a transaction: it holds from now on, until `expiresAt` if that is given; said again, until then instead. Fails with not_found when it has expired
   * since it was begun: what it held may be doomed.
   */
  begin(id: string, expiresAt: string | undefined): void
  /** Inside a transaction: it holds nothing any more. */
  end(id: string): void
  /** Inside a transaction, and only as part of keeping it: have it hold a thing. Fails with not_found when there is no such lease, or it has expired. */
  hold(id: string, thing: Thing): void
  /** Inside a transaction. */
  drop(id: string, thing: Thing): void
  /** When it ends; undefined when there is none. */
  find(id: string): Lasting | undefined
  all(): Iterable<{ id: string } & Lasting>
  /** Everything held by any, lease by lease. */
  held(): Iterable<{ id: string; name: string }>
  /** What it holds, from one thing on. */
  things(id: string, options?: { after?: Thing | undefined; limit?: number | undefined }): Iterable<Thing>
}

/** Until when; for ever without a time. */
export interface Lasting {
  readonly expiresAt?: string | undefined
}

export function openLeases(tables: Tables, { now }: { now: () => string }): Leases {
  const leases: Table<Lasting> = tables.table('keeping.lease')
  const held: Table<true> = tables.table('keeping.held')
  const under = (id: string, thing: Thing) => `${id}/${nameOf(thing)}`
  return {
    begin(id, expiresAt) {
      const found = leases.get(id)
      if (found && hasEnded(found, now())) throw new Failure('not_found', `begin lease ${id} again: it has expired`)
      leases.put(id, { ...(expiresAt !== undefined && { expiresAt }) })
    },
    end(id) {
      leases.remove(id)
      for (const { key } of held.range({ prefix: `${id}/` })) held.remove(key)
    },
    hold(id, thing) {
      const found = leases.get(id)
      if (!found || hasEnded(found, now())) {
        throw new Failure(
          'not_found',
          `hold ${thing.kind} ${thing.key} by lease ${id}: ${found ? 'it has expired' : 'there is no such lease'}`,
        )
      }
      held.put(under(id, thing), true)
    },
    drop: (id, thing) => void held.remove(under(id, thing)),
    find: (id) => leases.get(id),
    *all() {
      for (const { key, value } of leases.range()) yield { id: key, ...value }
    },
    *held() {
      for (const { key } of held.range()) yield { id: key.slice(0, key.indexOf('/')), name: key.slice(key.indexOf('/') + 1) }
    },
    *things(id, { after, limit } = {}) {
      const prefix = `${id}/`
      for (const { key } of held.range({ prefix, limit, ...(after && { after: under(id, after) }) }))
        yield thingOf(key.slice(prefix.length))
    },
  }
}

/** Whether a lease holds nothing any more at a time. */
export const hasEnded = ({ expiresAt }: Lasting, at: string): boolean => expiresAt !== undefined && expiresAt <= at
