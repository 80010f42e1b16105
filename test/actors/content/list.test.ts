import { expect, test } from 'vitest'
import { listBlobs } from '../../../actors/content/list.ts'
import type { Info } from '../../../messages/content.ts'
import { digestOf, type Store, startStore } from '../../support/content.ts'

const at = new Date(0).toISOString()
const { signal } = new AbortController()

/** A store that says it has `count` blobs of sizes 0, 1, …; every tenth is labelled. */
async function filled(
  count: number,
  labels: (n: number) => Info['labels'] = (n) => (n % 10 === 0 ? { tenth: `${n}` } : {}),
): Promise<Store> {
  const store = await startStore()
  const contents = store.home.tables.table<Info>('content')
  await store.home.tables.transaction(() => {
    for (let n = 0; n < count; n++) {
      const digest = digestOf(`${n}`)
      contents.put(digest, { digest, size: n, createdAt: at, updatedAt: at, labels: labels(n), durable: n % 2 === 0 })
    }
  })
  return store
}

/** All pages, as whoever asks for them puts them together. */
async function all(store: Store, filters: string[]): Promise<Info[][]> {
  const pages: Info[][] = []
  for (let after: string | undefined, more = true; more; after = pages.at(-1)?.at(-1)?.digest) {
    const page = await store.content.list({ filters, ...(after !== undefined && { after }) })
    pages.push(page.blobs)
    more = page.more
  }
  return pages
}

test.each([
  ['size<10', 10],
  ['size>=2990', 10],
  ['size>=10,size<20', 10],
  ['labels.tenth', 300],
  ['labels.tenth~=^29[0-9]0$', 10],
  ['durable==false', 1500],
  ['size==17', 1],
  [`digest==${digestOf('5')}`, 1],
  ['size>100000', 0],
])('%s is what %i of 3000 blobs pass', async (filter, expected) => {
  await using store = await filled(3000)
  const pages = await all(store, [filter])
  const blobs = pages.flat()
  expect(blobs).toHaveLength(expected)
  expect(new Set(blobs.map(({ digest }) => digest)).size).toBe(expected)
  expect(blobs.map(({ digest }) => digest)).toEqual(blobs.map(({ digest }) => digest).toSorted())
})

test('any of several filters is enough', async () => {
  await using store = await filled(100)
  expect(
    (await all(store, ['size==1', 'size==2', 'size==1000']))
      .flat()
      .map(({ size }) => size)
      .toSorted(),
  ).toEqual([1, 2])
})

test('a filter that is none is refused, saying where', async () => {
  await using store = await filled(1)
  await expect(store.content.list({ filters: ['size=1'] })).rejects.toMatchObject({ code: 'invalid_argument', details: { at: 4 } })
  await expect(store.content.list({ filters: [''] })).rejects.toMatchObject({ code: 'invalid_argument' })
  await expect(store.content.list({ filters: ['a'.repeat(1025)] })).rejects.toMatchObject({ code: 'invalid_argument' })
})

test('a page looks at so many records, and goes on when it has none to show', async () => {
  await using store = await filled(3000)
  const contents = store.home.tables.table<Info>('content')
  const limits = { blobs: 1000, bytes: 2 ** 20, looks: 600 }
  const first = await listBlobs(contents, { filters: ['labels.tenth'] }, { signal, limits })
  expect(first.more).toBe(true)
  expect(first.blobs.length).toBeGreaterThan(20)
  expect(first.blobs.length).toBeLessThan(120)
  const rare = await listBlobs(contents, { filters: ['size==17'] }, { signal, limits })
  expect(rare.blobs).toHaveLength(1)
  expect(await listBlobs(contents, { filters: ['size==5000'] }, { signal, limits })).toEqual({ blobs: [], more: false })
})

test('a page is no larger than a message', async () => {
  await using store = await filled(200, () => ({ long: 'x'.repeat(4000), longer: 'y'.repeat(4000) }))
  const pages = await all(store, ['size>=0'])
  expect(pages.flat()).toHaveLength(200)
  for (const page of pages) expect(Buffer.byteLength(JSON.stringify(page))).toBeLessThan(600_000)
  expect(pages.length).toBeGreaterThan(2)
})

test('others have their turn while it looks', async () => {
  await using store = await filled(3000)
  const contents = store.home.tables.table<Info>('content')
  let turns = 0
  const count = () => {
    turns++
    if (turns < 1000) setImmediate(count)
  }
  setImmediate(count)
  await listBlobs(contents, { filters: ['size==5000'] }, { signal })
  expect(turns).toBeGreaterThan(2)
  turns = 1000
})

test('it gives up when told to, also on its way', async () => {
  await using store = await filled(3000)
  const contents = store.home.tables.table<Info>('content')
  const controller = new AbortController()
  const listing = listBlobs(contents, { filters: ['size==5000'] }, { signal: controller.signal })
  controller.abort(new Error('enough'))
  await expect(listing).rejects.toThrow('enough')
})
