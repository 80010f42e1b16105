import { expect, test } from 'vitest'
import { openKeeping } from '../../../runtime/keeping/keeping.ts'
import { openLeases } from '../../../runtime/keeping/leases.ts'
import { nameOf, thingTable } from '../../../runtime/keeping/things.ts'
import { digestOf, type Store, startStore } from '../../support/content.ts'

const bytes = Buffer.from('what a lease holds')
const digest = digestOf(bytes)
const blob = { kind: 'content', key: digest }
const ingest = { kind: 'ingest', key: 'r' }
const now = () => new Date().toISOString()

/** What is kept in a store, as its collector sees it. */
function keptIn({ home: { tables } }: Store) {
  const leases = openLeases(tables, { now })
  const doom = (thing: { kind: string; key: string }) => {
    const row = thingTable(tables).get(nameOf(thing))
    if (row) thingTable(tables).put(nameOf(thing), { ...row, doomed: true })
  }
  return {
    row: (thing: { kind: string; key: string }) => thingTable(tables).get(nameOf(thing)),
    lease: (id: string, expiresAt?: string) => tables.transaction(() => leases.begin(id, expiresAt)),
    end: (id: string) => tables.transaction(() => leases.end(id)),
    held: (id: string) => [...leases.things(id)],
    doom: (thing: { kind: string; key: string }) => tables.transaction(() => doom(thing)),
    keeping: openKeeping(tables, { now }),
  }
}

const over = new Date(0).toISOString()
const inADay = expect.stringMatching(new RegExp(`^${new Date(Date.now() + 86_400_000).toISOString().slice(0, 8)}`))

test('what is put, or opened, without a lease is kept for a day, a writer’s ingest as long as it is held', async () => {
  await using store = await startStore()
  const kept = keptIn(store)
  await store.ingest.put({ digest, bytes })
  expect(kept.row(blob)).toMatchObject({ size: bytes.length, until: inADay })
  const { token } = await store.ingest.open({ reference: 'r', expected: digestOf('else') })
  expect(kept.row(ingest)).toMatchObject({ root: true, refs: [`content/${digestOf('else')}`] })
  expect(await store.ingest.status({ reference: 'r' })).not.toHaveProperty('expiresAt')
  await store.ingest.close({ token })
  expect(kept.row(ingest)).toMatchObject({ root: false, until: inADay })
  expect(await store.ingest.status({ reference: 'r' })).toMatchObject({ expiresAt: inADay })
})

test('a lease holds the ingest from the first moment, and the blob it becomes from that one', async () => {
  await using store = await startStore()
  const kept = keptIn(store)
  await kept.lease('mine')
  const { token } = await store.ingest.open({ reference: 'r', lease: 'mine' })
  expect(kept.held('mine')).toEqual([ingest])
  await store.ingest.write({ token, offset: 0, bytes })
  await store.ingest.close({ token })
  expect(await store.ingest.status({ reference: 'r' })).toMatchObject({ lease: 'mine' })
  expect(await store.ingest.status({ reference: 'r' })).not.toHaveProperty('expiresAt')
  const again = await store.ingest.open({ reference: 'r' })
  await store.ingest.commit({ token: again.token })
  expect(kept.held('mine')).toContainEqual(blob)
  expect(kept.row(ingest)).toBeUndefined()
})

test('a blob put under a lease is held by it, also one that is there already', async () => {
  await using store = await startStore()
  const kept = keptIn(store)
  for (const id of ['a', 'b', 'c']) await kept.lease(id)
  await store.ingest.put({ digest, bytes, lease: 'a' })
  await expect(store.ingest.put({ digest, bytes, lease: 'b' })).rejects.toMatchObject({ code: 'already_exists' })
  await expect(store.ingest.open({ reference: 'r', expected: digest, lease: 'c' })).rejects.toMatchObject({ code: 'already_exists' })
  for (const id of ['a', 'b', 'c']) expect(kept.held(id)).toEqual([blob])
})

test('content found at the commit is held by the lease of the ingest', async () => {
  await using store = await startStore()
  const kept = keptIn(store)
  await kept.lease('mine')
  const { token } = await store.ingest.open({ reference: 'r', lease: 'mine' })
  await store.ingest.write({ token, offset: 0, bytes })
  await store.ingest.put({ digest, bytes })
  await expect(store.ingest.commit({ token })).rejects.toMatchObject({ code: 'already_exists' })
  expect(kept.held('mine')).toContainEqual(blob)
})

test('nothing is made under a lease that is not there or has expired', async () => {
  await using store = await startStore()
  const kept = keptIn(store)
  await kept.lease('old', over)
  for (const lease of ['none', 'old']) {
    await expect(store.ingest.open({ reference: 'r', lease })).rejects.toMatchObject({ code: 'not_found' })
    await expect(store.ingest.put({ digest, bytes, lease })).rejects.toMatchObject({ code: 'not_found' })
  }
  expect((await store.ingest.list({})).ingests).toEqual([])
  expect((await store.content.list({})).blobs).toEqual([])
  await store.ingest.put({ digest, bytes })
  await expect(store.ingest.put({ digest, bytes, lease: 'none' })).rejects.toMatchObject({ code: 'not_found' })
})

test('what outlives its lease is kept as if it had had none', async () => {
  await using store = await startStore()
  const kept = keptIn(store)
  await kept.lease('short')
  const { token } = await store.ingest.open({ reference: 'r', lease: 'short' })
  await store.ingest.write({ token, offset: 0, bytes })
  await kept.end('short')
  await store.ingest.close({ token })
  expect(await store.ingest.status({ reference: 'r' })).toMatchObject({ expiresAt: inADay })
  const again = await store.ingest.open({ reference: 'r' })
  await store.ingest.commit({ token: again.token })
  expect(kept.row(blob)).toMatchObject({ until: inADay })
})

test('the collector gets only what nothing holds, and what it got has expired', async () => {
  await using store = await startStore()
  const kept = keptIn(store)
  const { token } = await store.ingest.open({ reference: 'r' })
  await expect(store.ingest.abort({ reference: 'r', unheld: true })).rejects.toMatchObject({ code: 'failed_precondition' })
  await store.ingest.close({ token })
  await expect(store.ingest.abort({ reference: 'r', unheld: true })).rejects.toMatchObject({ code: 'failed_precondition' })
  await kept.doom(ingest)
  const watching = store.ingest.follow({ reference: 'r' })[Symbol.asyncIterator]()
  await watching.next()
  await store.ingest.abort({ reference: 'r', unheld: true })
  await expect(watching.next()).rejects.toMatchObject({ code: 'data_loss', message: expect.stringContaining('expired') })
  expect(store.told.at(-1)).toMatchObject({ fact: 'aborted', entity: 'r', data: { why: expect.stringContaining('expired') } })
  expect(kept.row(ingest)).toBeUndefined()

  await store.ingest.put({ digest, bytes })
  await expect(store.content.remove({ digest, unheld: true })).rejects.toMatchObject({ code: 'failed_precondition' })
  await kept.doom(blob)
  await store.content.remove({ digest, unheld: true })
  expect(kept.row(blob)).toBeUndefined()
})

test('what is opened again, or asked for again, is not doomed any more', async () => {
  await using store = await startStore()
  const kept = keptIn(store)
  const { token } = await store.ingest.open({ reference: 'r' })
  await store.ingest.close({ token })
  await store.ingest.put({ digest, bytes })
  for (const thing of [ingest, blob]) await kept.doom(thing)
  const again = await store.ingest.open({ reference: 'r' })
  await store.ingest.close({ token: again.token })
  await expect(store.ingest.put({ digest, bytes })).rejects.toMatchObject({ code: 'already_exists' })
  await expect(store.ingest.abort({ reference: 'r', unheld: true })).rejects.toMatchObject({ code: 'failed_precondition' })
  await expect(store.content.remove({ digest, unheld: true })).rejects.toMatchObject({ code: 'failed_precondition' })
})
