import { randomBytes } from 'node:crypto'
import { statfs } from 'node:fs/promises'
import { expect, test } from 'vitest'
import { digestOf, startStore } from '../../support/content.ts'

test('an empty store takes up nothing, and says what is free', async () => {
  await using store = await startStore()
  const { bavail, bsize } = await statfs(store.home.root)
  const usage = await store.content.usage({})
  expect(usage).toMatchObject({ blobs: { count: 0, size: 0 }, ingests: { count: 0, size: 0 } })
  expect(usage.free / (bavail * bsize)).toBeCloseTo(1, 1)
})

test('blobs count by their sizes, ingests by what they take on the disk', async () => {
  await using store = await startStore()
  for (const length of [1, 10_000, 300_000]) {
    const bytes = randomBytes(length)
    await store.ingest.put({ digest: digestOf(bytes), bytes })
  }
  const { token } = await store.ingest.open({ reference: 'unfinished', total: 5_000_000 })
  await store.ingest.write({ token, offset: 0, bytes: randomBytes(100) })
  await store.ingest.open({ reference: 'another' })
  const { blobs, ingests } = await store.content.usage({})
  expect(blobs).toEqual({ count: 3, size: 310_001 })
  expect(ingests.count).toBe(2)
  // room is taken beforehand
  expect(ingests.size).toBeGreaterThanOrEqual(5_000_000)
  expect(ingests.size).toBeLessThan(6_000_000)
  await store.ingest.abort({ reference: 'unfinished', token })
  expect((await store.content.usage({})).ingests).toMatchObject({ count: 1 })
})

test('thousands of blobs are counted', async () => {
  await using store = await startStore()
  const at = new Date(0).toISOString()
  await store.home.tables.transaction(() => {
    const contents = store.home.tables.table<object>('content')
    for (let n = 0; n < 5000; n++) contents.put(digestOf(`${n}`), { digest: digestOf(`${n}`), size: 2, createdAt: at, labels: {} })
  })
  expect((await store.content.usage({})).blobs).toEqual({ count: 5000, size: 10_000 })
})
