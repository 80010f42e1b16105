import { appendFile } from 'node:fs/promises'
import { expect, test } from 'vitest'
import { digestOf, type Store, startStore } from '../../support/content.ts'

const bytes = Buffer.alloc(10_000, 'bytes that grow ')
const digest = digestOf(bytes)

/** Follow, and take one item at a time. */
function following(store: Store, reference: string) {
  const items = store.ingest.follow({ reference })[Symbol.asyncIterator]()
  return {
    next: async () => (await items.next()).value,
    done: async () => (await items.next()).done,
    leave: async () => await items.return?.(),
  }
}

test('says where it stands at once, then what comes, and ends when it is content', async () => {
  await using store = await startStore()
  const { token, path } = await store.ingest.open({ reference: digest, expected: digest, total: bytes.length })
  const watcher = following(store, digest)
  expect(await watcher.next()).toEqual({ state: 'opened', path, offset: 0, total: bytes.length })
  await appendFile(path, bytes.subarray(0, 4_000))
  await store.ingest.advance({ token, offset: 4_000 })
  expect(await watcher.next()).toMatchObject({ path, offset: 4_000 })
  await store.ingest.write({ token, offset: 4_000, bytes: bytes.subarray(4_000) })
  await store.ingest.commit({ token })
  let last = await watcher.next()
  while (last !== undefined && last.state !== 'committed') last = await watcher.next()
  expect(last).toEqual({
    state: 'committed',
    path: (await store.content.locate({ digest })).path,
    offset: bytes.length,
    total: bytes.length,
  })
  expect(await watcher.done()).toBe(true)
})

test('makes one item of changes that come fast, and never leaves out the last', async () => {
  await using store = await startStore()
  const { token } = await store.ingest.open({ reference: 'r', total: bytes.length })
  const offsets: number[] = []
  const watched = (async () => {
    for await (const { offset } of store.ingest.follow({ reference: 'r' })) offsets.push(offset)
  })()
  for (let offset = 0; offset < bytes.length; offset += 50) {
    await store.ingest.write({ token, offset, bytes: bytes.subarray(offset, offset + 50) })
  }
  await store.ingest.commit({ token })
  await watched
  expect(offsets.at(-1)).toBe(bytes.length)
  expect(offsets).toEqual(offsets.toSorted((one, other) => one - other))
  expect(offsets.length).toBeLessThan(bytes.length / 50)
})

test('of what is content already there is one item', async () => {
  await using store = await startStore()
  await store.ingest.put({ digest, bytes })
  const watcher = following(store, digest)
  const { path } = await store.content.locate({ digest })
  expect(await watcher.next()).toEqual({ state: 'committed', path, offset: bytes.length, total: bytes.length })
  expect(await watcher.done()).toBe(true)
})

test('of what is nowhere there is nothing', async () => {
  await using store = await startStore()
  await expect(following(store, digest).next()).rejects.toMatchObject({ code: 'not_found' })
  await expect(following(store, 'no digest').next()).rejects.toMatchObject({ code: 'not_found' })
})

test('sees an ingest closed and opened again', async () => {
  await using store = await startStore()
  const { token } = await store.ingest.open({ reference: 'r' })
  const watcher = following(store, 'r')
  expect(await watcher.next()).toMatchObject({ state: 'opened' })
  await store.ingest.close({ token })
  expect(await watcher.next()).toMatchObject({ state: 'closed' })
  await store.ingest.open({ reference: 'r' })
  expect(await watcher.next()).toMatchObject({ state: 'opened' })
  await watcher.leave()
})

test('fails when it is thrown away', async () => {
  await using store = await startStore()
  const { token } = await store.ingest.open({ reference: 'r' })
  const watcher = following(store, 'r')
  await watcher.next()
  await store.ingest.abort({ reference: 'r', token })
  await expect(
    (async () => {
      while ((await watcher.next()) !== undefined);
    })(),
  ).rejects.toMatchObject({ code: 'data_loss', message: expect.stringContaining('aborted') })
})

test('fails when it is started over, for what was read of it is no longer so', async () => {
  await using store = await startStore()
  const first = await store.ingest.open({ reference: 'r', total: 10 })
  await store.ingest.write({ token: first.token, offset: 0, bytes: bytes.subarray(0, 5) })
  await store.ingest.close({ token: first.token })
  const watcher = following(store, 'r')
  expect(await watcher.next()).toMatchObject({ offset: 5 })
  await store.ingest.open({ reference: 'r', total: 20 })
  await expect(watcher.next()).rejects.toMatchObject({ code: 'data_loss', message: expect.stringContaining('started over') })
})

test('ends at the content when another ingest brought the same', async () => {
  await using store = await startStore()
  const { token } = await store.ingest.open({ reference: 'r' })
  await store.ingest.write({ token, offset: 0, bytes })
  const watcher = following(store, 'r')
  await watcher.next()
  await store.ingest.put({ digest, bytes })
  await expect(store.ingest.commit({ token })).rejects.toMatchObject({ code: 'already_exists' })
  let last = await watcher.next()
  while (last !== undefined && last.state !== 'committed') last = await watcher.next()
  expect(last?.path).toBe((await store.content.locate({ digest })).path)
})

test('gives up when told to', async () => {
  await using store = await startStore()
  await store.ingest.open({ reference: 'r' })
  const telling = new AbortController()
  const items = store.ingest.follow({ reference: 'r' }, { signal: telling.signal })[Symbol.asyncIterator]()
  await items.next()
  telling.abort()
  await expect(items.next()).rejects.toMatchObject({ code: 'cancelled' })
})
