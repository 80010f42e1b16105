import { chmod, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { openDurability } from '../../../actors/ingest/durable.ts'
import { digestOf, startStore } from '../../support/content.ts'
import { tempDirectory } from '../../support/temp.ts'

const log = { debug: () => {}, info: () => {}, warn: () => {}, error: () => {} }

test('one sync covers what is owed when it begins, the next what comes during it', async () => {
  const done: (readonly string[])[] = []
  let syncs = 0
  const gate = Promise.withResolvers<void>()
  await using durability = openDurability({
    log,
    sync: async () => {
      if (++syncs === 1) await gate.promise
    },
    record: async (digests) => void done.push(digests),
  })
  durability.owe(['a', 'b'])
  const first = durability.settled()
  await Promise.resolve()
  durability.owe(['c', 'd'])
  durability.owe(['c'])
  gate.resolve()
  await first
  await durability.settled()
  expect(done).toEqual([
    ['a', 'b'],
    ['c', 'd'],
  ])
  expect(syncs).toBe(2)
})

test('what a failed sync owed is owed to the next', async () => {
  const done: (readonly string[])[] = []
  let syncs = 0
  await using durability = openDurability({
    log,
    sync: async () => {
      if (++syncs === 1) throw new Error('the disk is away')
    },
    record: async (digests) => void done.push(digests),
  })
  durability.owe(['a'])
  await durability.settled()
  expect(done).toEqual([])
  await durability.settled()
  expect(done).toEqual([['a']])
})

test('a blob is known to be durable once a sync has covered it', async () => {
  await using store = await startStore({ syncDelayMs: 0 })
  const bytes = Buffer.from('to last')
  const digest = digestOf(bytes)
  const { durable } = await store.ingest.put({ digest, bytes })
  expect(durable).toBe(false)
  await expect.poll(async () => (await store.content.info({ digest })).durable).toBe(true)
})

test('after another boot, what was not durable is hashed again and let go when it is not whole', async () => {
  await using root = await tempDirectory()
  const [whole, torn, lasting] = ['whole', 'torn', 'lasting'].map((text) => Buffer.from(text)) as [Buffer, Buffer, Buffer]
  {
    await using store = await startStore({ root: root.path })
    for (const bytes of [whole, torn, lasting]) await store.ingest.put({ digest: digestOf(bytes), bytes })
    const contents = store.home.tables.table<object>('content')
    await store.home.tables.transaction(() => {
      contents.put(digestOf(lasting), { ...contents.get(digestOf(lasting)), durable: true })
      store.home.tables.table<object>('ingest-boot').put('last', { boot: 'the boot before' })
    })
    for (const bytes of [torn, lasting]) {
      const path = join(root.path, 'content/blobs/sha256', digestOf(bytes).slice('sha256:'.length))
      await chmod(path, 0o600)
      await writeFile(path, '\0\0\0')
    }
  }
  await using store = await startStore({ root: root.path })
  const digests = (await store.content.list({})).blobs.map(({ digest }) => digest)
  expect(digests.toSorted()).toEqual([whole, lasting].map((bytes) => digestOf(bytes)).toSorted())
  expect(store.told).toMatchObject([{ actor: 'content', fact: 'removed', entity: digestOf(torn) }])
  await store.ingest.put({ digest: digestOf(torn), bytes: torn })
  await store.content.verify({ digest: digestOf(torn) })
})
