import { join } from 'node:path'
import { expect, test } from 'vitest'
import { openKeeping } from '../../../runtime/keeping/keeping.ts'
import { openLeases } from '../../../runtime/keeping/leases.ts'
import { type Row, thingTable } from '../../../runtime/keeping/things.ts'
import { openTables } from '../../../runtime/tables.ts'
import { failureOf, openSnapshotRoom } from '../../support/snapshots.ts'

const now = () => new Date().toISOString()

/** Snapshots, and sight of what is kept of them. Driver overlay, which can rebase. */
async function room() {
  await using stack = new AsyncDisposableStack()
  const room = stack.use(await openSnapshotRoom({ driver: 'overlay' }))
  const tables = stack.use(await openTables(join(room.root, 'meta')))
  const things = thingTable(tables)
  const leases = openLeases(tables, { now })
  await tables.transaction(() => leases.begin('mine', undefined))
  const scope = stack.move()
  const row = (key: string) => things.get(`snapshot/overlay/${key}`)
  return {
    ...room,
    row,
    rows: () => [...things.range()].map(({ key }) => key),
    held: (lease = 'mine') => Array.from(leases.things(lease), ({ key }) => key).filter((key) => things.get(`snapshot/${key}`)),
    begin: (lease: string) => tables.transaction(() => leases.begin(lease, undefined)),
    end: (lease: string) => tables.transaction(() => leases.end(lease)),
    change: (key: string, change: Partial<Row>) =>
      tables.transaction(() => things.put(`snapshot/overlay/${key}`, { refs: [], labelled: [], ...row(key), ...change })),
    lose: (key: string) => tables.transaction(() => openKeeping(tables, { now }).gone({ kind: 'snapshot', key: `overlay/${key}` })),
    [Symbol.asyncDispose]: () => scope.disposeAsync(),
  }
}

test('prepared under a lease it is held by it, and so is what it becomes; its key is gone then', async () => {
  await using it = await room()
  await it.ask.prepare({ key: 'a', lease: 'mine', labels: { 'gantry.gc.ref.content.x': 'sha256:1' } })
  expect(it.held()).toEqual(['overlay/a'])
  expect(it.row('a')).toMatchObject({ refs: [], labelled: ['content/sha256:1'] })
  expect(it.row('a')).not.toHaveProperty('until')
  await it.ask.commit({ key: 'a', name: 'one', labels: { 'gantry.gc.ref.content.x': 'sha256:2' } })
  expect(it.held()).toEqual(['overlay/one'])
  expect(it.rows()).toEqual(['snapshot/overlay/one'])
  expect(it.row('one')).toMatchObject({ labelled: ['content/sha256:2'] })
  await it.ask.remove({ key: 'one' })
  expect(it.rows()).toEqual([])
})

test('without a lease it is kept for a while', async () => {
  await using it = await room()
  await it.ask.prepare({ key: 'a' })
  await it.ask.commit({ key: 'a', name: 'one' })
  expect(Date.parse(it.row('one')?.until ?? '')).toBeGreaterThan(Date.now() + 86_000_000)
})

test('a commit may name another lease', async () => {
  await using it = await room()
  await it.begin('other')
  await it.ask.prepare({ key: 'a', lease: 'mine' })
  await it.ask.commit({ key: 'a', name: 'one', lease: 'other' })
  expect([it.held(), it.held('other')]).toEqual([[], ['overlay/one']])
})

test('nothing is prepared, viewed or committed under a lease that is none', async () => {
  await using it = await room()
  await it.layer('base', undefined)
  await it.ask.prepare({ key: 'a' })
  expect(await failureOf(it.ask.prepare({ key: 'b', lease: 'none' }))).toMatchObject({ code: 'not_found' })
  expect(await failureOf(it.ask.view({ key: 'b', parent: 'base', lease: 'none' }))).toMatchObject({ code: 'not_found' })
  expect(await failureOf(it.ask.commit({ key: 'a', name: 'one', lease: 'none' }))).toMatchObject({ code: 'not_found' })
  expect((await it.ask.list({})).snapshots.map(({ key }) => key)).toEqual(['a', 'base'])
})

test('when the lease it was prepared under has ended, what it becomes is kept for a while', async () => {
  await using it = await room()
  await it.ask.prepare({ key: 'a', lease: 'mine' })
  await it.end('mine')
  await it.ask.commit({ key: 'a', name: 'one' })
  expect(it.row('one')?.until).toBeDefined()
})

test('a key or name that is taken is held before that is said', async () => {
  await using it = await room()
  await it.ask.prepare({ key: 'a' })
  await it.layer('one', undefined)
  expect(await failureOf(it.ask.prepare({ key: 'a', lease: 'mine' }))).toMatchObject({ code: 'already_exists' })
  expect(await failureOf(it.ask.commit({ key: 'a', name: 'one', lease: 'mine' }))).toMatchObject({ code: 'already_exists' })
  expect(it.held()).toEqual(['overlay/a', 'overlay/one'])
})

test('it refers to its parent, whether that came with prepare, view or commit', async () => {
  await using it = await room()
  await it.layer('base', undefined)
  await it.ask.prepare({ key: 'a', parent: 'base' })
  await it.ask.view({ key: 'b', parent: 'base' })
  await it.ask.prepare({ key: 'c' })
  await it.ask.commit({ key: 'c', name: 'two', parent: 'base' })
  for (const key of ['a', 'b', 'two']) expect(it.row(key)?.refs).toEqual(['snapshot/overlay/base'])
})

test('labels that are set later count, and hold nothing longer', async () => {
  await using it = await room()
  await it.layer('base', undefined)
  const { until } = it.row('base') ?? {}
  await it.ask.label({ key: 'base', labels: { 'gantry.gc.root': 'yes' } })
  expect(it.row('base')).toMatchObject({ rooted: 'always', until })
  await it.ask.label({ key: 'base', labels: { 'gantry.gc.root': '' } })
  expect(it.row('base')?.rooted).toBeUndefined()
})

test('for the collector it goes only while it is doomed', async () => {
  await using it = await room()
  await it.layer('base', undefined)
  expect(await failureOf(it.ask.remove({ key: 'base', unheld: true }))).toMatchObject({ code: 'failed_precondition' })
  await it.change('base', { doomed: true })
  await it.ask.remove({ key: 'base', unheld: true })
  expect((await it.ask.list({})).snapshots).toEqual([])
})

test('who is prepared on a doomed parent, or committed on it, saves it', async () => {
  await using it = await room()
  await it.layer('base', undefined)
  await it.change('base', { doomed: true })
  await it.ask.prepare({ key: 'a', parent: 'base' })
  expect(await failureOf(it.ask.remove({ key: 'base', unheld: true }))).toMatchObject({ code: 'failed_precondition' })
  await it.ask.remove({ key: 'a' })
  await it.change('base', { doomed: true })
  await it.ask.prepare({ key: 'c' })
  await it.ask.commit({ key: 'c', name: 'two', parent: 'base' })
  expect(await failureOf(it.ask.remove({ key: 'base', unheld: true }))).toMatchObject({ code: 'failed_precondition' })
})

test('a parent goes for the collector, or gets a child, never both', async () => {
  await using it = await room()
  for (let time = 0; time < 20; time++) {
    await it.layer('base', undefined)
    await it.change('base', { doomed: true })
    const [removed, prepared] = await Promise.allSettled([
      it.ask.remove({ key: 'base', unheld: true }),
      it.ask.prepare({ key: 'a', parent: 'base' }),
    ])
    expect([removed.status, prepared.status].toSorted()).toEqual(['fulfilled', 'rejected'])
    if (prepared.status === 'fulfilled') for (const key of ['a', 'base']) await it.ask.remove({ key })
  }
})

test('those made before such things were written down are kept from the next start on', async () => {
  await using it = await room()
  await it.layer('base', undefined)
  await it.ask.prepare({ key: 'a', parent: 'base' })
  for (const key of ['base', 'a']) await it.lose(key)
  await it.restart()
  expect(it.row('a')).toMatchObject({ refs: ['snapshot/overlay/base'], until: expect.any(String) })
  expect(it.row('base')?.until).toBeDefined()
})

test('lists those that pass a filter', async () => {
  await using it = await room()
  await it.layer('base', undefined)
  await it.ask.prepare({ key: 'a', parent: 'base', labels: { of: 'me' } })
  const keys = async (...filters: string[]) => (await it.ask.list({ filters })).snapshots.map(({ key }) => key)
  expect(await keys('kind==active')).toEqual(['a'])
  expect(await keys('parent==base', 'key==base')).toEqual(['a', 'base'])
  expect(await keys('labels.of')).toEqual(['a'])
  expect(await failureOf(it.ask.list({ filters: ['=='] }))).toMatchObject({ code: 'invalid_argument' })
})
