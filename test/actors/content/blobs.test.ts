import { chmod, open, unlink, writeFile } from 'node:fs/promises'
import { expect, test } from 'vitest'
import { digestOf, startStore } from '../../support/content.ts'

const bytes = Buffer.alloc(100_000, 'content ')
const digest = digestOf(bytes)
const gone = { signal: AbortSignal.abort() }

test('whoever has a blob open reads on after it is removed', async () => {
  await using store = await startStore()
  await store.ingest.put({ digest, bytes })
  const { path, size } = await store.content.locate({ digest })
  await using file = await open(path, 'r')
  await store.content.remove({ digest })
  const { bytesRead, buffer } = await file.read(Buffer.alloc(size), 0, size, 0)
  expect(bytesRead).toBe(size)
  expect(digestOf(buffer)).toBe(digest)
  expect(store.told.at(-1)).toMatchObject({ actor: 'content', fact: 'removed', entity: digest, data: { digest } })
})

test('damage is found by looking again', async () => {
  await using store = await startStore()
  await store.ingest.put({ digest, bytes })
  expect(await store.content.verify({ digest })).toEqual({ digest, size: bytes.length })
  const { path } = await store.content.locate({ digest })
  await chmod(path, 0o600)
  await writeFile(path, Buffer.alloc(50_000, 'content '))
  await expect(store.content.verify({ digest })).rejects.toMatchObject({ code: 'data_loss', details: { size: 50_000 } })
  await expect(store.content.read({ digest, offset: 40_000 })).rejects.toMatchObject({ code: 'data_loss' })
  await unlink(path)
  await expect(store.content.verify({ digest })).rejects.toMatchObject({ code: 'data_loss' })
})

test('a long list comes in pages, in order', async () => {
  await using store = await startStore()
  const contents = store.home.tables.table<object>('content')
  const info = { size: 1, createdAt: new Date(0).toISOString(), updatedAt: new Date(0).toISOString(), labels: {}, durable: true }
  const all = Array.from({ length: 2_001 }, (_, i) => digestOf(`${i}`)).toSorted()
  await store.home.tables.transaction(() => {
    for (const one of all) contents.put(one, { digest: one, ...info })
  })
  const listed: string[] = []
  for (let after: string | undefined, more = true; more; after = listed.at(-1)) {
    const page = await store.content.list(after === undefined ? {} : { after })
    expect(page.blobs.length).toBeLessThanOrEqual(1_000)
    listed.push(...page.blobs.map((blob) => blob.digest))
    more = page.more
  }
  expect(listed).toEqual(all)
})

test('gives up when told to', async () => {
  await using store = await startStore()
  await store.ingest.put({ digest, bytes })
  for (const asked of [
    store.content.read({ digest }, gone),
    store.content.verify({ digest }, gone),
    store.content.remove({ digest }, gone),
    store.content.label({ digest, labels: {} }, gone),
    store.content.list({}, gone),
    store.content.usage({}, gone),
  ]) {
    await expect(asked).rejects.toMatchObject({ code: 'cancelled' })
  }
  expect(await store.content.verify({ digest })).toMatchObject({ digest })
})
