import { chmod, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { owedName, recordDurable } from '../../../actors/ingest/durable.ts'
import type { Info } from '../../../messages/content.ts'
import { digestOf, startStore } from '../../support/content.ts'
import { tempDirectory } from '../../support/temp.ts'

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
      await writeFile(path, Buffer.alloc(bytes.length))
    }
  }
  await using store = await startStore({ root: root.path })
  const digests = (await store.content.list({})).blobs.map(({ digest }) => digest)
  expect(digests.toSorted()).toEqual([whole, lasting].map((bytes) => digestOf(bytes)).toSorted())
  expect(store.told).toMatchObject([{ actor: 'content', fact: 'removed', entity: digestOf(torn) }])
  await store.ingest.put({ digest: digestOf(torn), bytes: torn })
  await store.content.verify({ digest: digestOf(torn) })
})

test('a sync says nothing of a blob that was removed and came again while it ran', async () => {
  await using store = await startStore()
  const bytes = Buffer.from('twice')
  const digest = digestOf(bytes)
  const contents = store.home.tables.table<Info>('content')
  const first = await store.ingest.put({ digest, bytes })
  await store.content.remove({ digest })
  await store.home.tables.transaction(() => contents.put(digest, { ...first, createdAt: new Date(0).toISOString() }))
  const record = recordDurable({ tables: store.home.tables, contents })
  await record([owedName(first)])
  expect(contents.get(digest)).toMatchObject({ durable: false })
  await record([owedName({ ...first, createdAt: new Date(0).toISOString() })])
  expect(contents.get(digest)).toMatchObject({ durable: true })
})

test('after another boot, an ingest is gone on with only when it says what it is to become', async () => {
  await using root = await tempDirectory()
  {
    await using store = await startStore({ root: root.path })
    for (const opening of [{ reference: 'said', expected: digestOf('1234') }, { reference: 'unsaid' }]) {
      const { token } = await store.ingest.open(opening)
      await store.ingest.write({ token, offset: 0, bytes: Buffer.from('12') })
    }
  }
  {
    await using store = await startStore({ root: root.path })
    expect((await store.ingest.list({})).ingests).toHaveLength(2)
    await store.home.tables.transaction(() => store.home.tables.table<object>('ingest-boot').put('last', { boot: 'the boot before' }))
  }
  await using store = await startStore({ root: root.path })
  expect((await store.ingest.list({})).ingests).toMatchObject([{ reference: 'said', offset: 2 }])
  expect(store.told).toMatchObject([{ fact: 'aborted', entity: 'unsaid', data: { why: expect.stringContaining('started anew') } }])
})
