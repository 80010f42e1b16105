import { chmod, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, test } from 'vitest'
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
