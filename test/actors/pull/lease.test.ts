import { join } from 'node:path'
import { expect, test } from 'vitest'
import { startLease } from '../../../actors/lease/actor.ts'
import type { Asks } from '../../../actors/pull/asks.ts'
import { holds, keepUp, leave, letGo, take } from '../../../actors/pull/lease.ts'
import type { lease } from '../../../messages/lease.ts'
import { client } from '../../../runtime/bus/client.ts'
import { memoryBus } from '../../../runtime/bus/memory.ts'
import type { Home } from '../../../runtime/home.ts'
import { openKeeping } from '../../../runtime/keeping/keeping.ts'
import { openTables } from '../../../runtime/tables.ts'
import { tempDirectory } from '../../support/temp.ts'

const silent = { debug: () => {}, info: () => {}, warn: () => {}, error: () => {} }
const thing = { kind: 'snapshot', key: 'overlay/a' } as const
const mine = { id: 'pull-1', seconds: 3600 }
const signal = new AbortController().signal

/** A node with nothing but leases. */
async function room() {
  const stack = new AsyncDisposableStack()
  const { path: root } = stack.use(await tempDirectory())
  const bus = stack.use(memoryBus())
  const tables = stack.use(await openTables(join(root, 'meta')))
  const told: string[] = []
  const renewed = Promise.withResolvers<void>()
  const outbox: Home['outbox'] = {
    put: ({ fact }) => {
      told.push(fact)
      if (fact === 'renewed') renewed.resolve()
    },
    empty: async () => {},
    [Symbol.asyncDispose]: async () => {},
  }
  stack.use(await startLease({ node: 'n1', root, bus, tables, outbox, log: silent, settings: {} }))
  const leases = client<typeof lease>(bus, { node: 'n1', actor: 'lease' })
  const asks = { lease: leases, log: silent, persist: (work: () => Promise<unknown>) => work() } as unknown as Asks
  const keeping = openKeeping(tables, { now: () => new Date().toISOString() })
  return {
    asks,
    leases,
    told,
    renewed: renewed.promise,
    make: () => tables.transaction(() => keeping.keep(thing)),
    [Symbol.asyncDispose]: () => stack.disposeAsync(),
  }
}

test('a lease is taken once, and taken up again by a later run', async () => {
  await using it = await room()
  await take(it.asks, mine, 'h.test/r:latest', { signal })
  const first = await it.leases.get({ id: mine.id })
  expect(first.labels).toEqual({ 'gantry.reference': 'h.test/r:latest' })
  await take(it.asks, { ...mine, seconds: 7200 }, 'h.test/r:latest', { signal })
  const second = await it.leases.get({ id: mine.id })
  expect(second.createdAt).toBe(first.createdAt)
  expect(Date.parse(second.expiresAt ?? '') - Date.parse(first.expiresAt ?? '')).toBeGreaterThanOrEqual(3_600_000)
})

test('it holds what is there, and says of what is not that it is not', async () => {
  await using it = await room()
  await take(it.asks, mine, 'r', { signal })
  expect(await holds(it.asks, mine, [thing], { signal })).toBe(false)
  await it.make()
  expect(await holds(it.asks, mine, [thing], { signal })).toBe(true)
  expect((await it.leases.get({ id: mine.id })).things).toEqual([thing])
})

test('it is renewed each time half of it is over, until told to give up', async () => {
  await using it = await room()
  await take(it.asks, { ...mine, seconds: 2 }, 'r', { signal })
  const control = new AbortController()
  const kept = keepUp(it.asks, { ...mine, seconds: 2 }, { signal: control.signal })
  await it.renewed
  control.abort()
  await kept
})

test('left by a pull without its image it lasts on if it holds anything, and ends at once if not', async () => {
  await using it = await room()
  await take(it.asks, mine, 'r', { signal })
  expect(await leave(it.asks, mine)).toBe(false)
  expect((await it.leases.list({})).leases).toEqual([])

  await take(it.asks, { ...mine, seconds: 60 }, 'r', { signal })
  await it.make()
  await holds(it.asks, mine, [thing], { signal })
  expect(await leave(it.asks, mine)).toBe(true)
  const { expiresAt = '', createdAt } = await it.leases.get({ id: mine.id })
  expect(Date.parse(expiresAt) - Date.parse(createdAt)).toBeGreaterThanOrEqual(3_600_000)
})

test('that it has ended already is as good as letting go of it', async () => {
  await using it = await room()
  await letGo(it.asks, mine.id)
  expect(await leave(it.asks, mine)).toBe(false)
})

test('nothing is waited for when told to give up', async () => {
  await using it = await room()
  await expect(take(it.asks, mine, 'r', { signal: AbortSignal.abort() })).rejects.toThrow()
  await keepUp(it.asks, mine, { signal: AbortSignal.abort() })
})
