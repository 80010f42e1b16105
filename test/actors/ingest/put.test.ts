import { readdir, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { digestOf, startStore } from '../../support/content.ts'

const bytes = Buffer.from('a small blob')
const digest = digestOf(bytes)

test('a small blob is content after one call', async () => {
  await using store = await startStore()
  const info = await store.ingest.put({ digest, bytes, labels: { of: 'a test' } })
  expect(info).toMatchObject({ digest, size: bytes.length, labels: { of: 'a test' }, durable: false })
  expect(Buffer.from((await store.content.read({ digest })).bytes)).toEqual(bytes)
  expect(store.told).toMatchObject([
    { actor: 'ingest', fact: 'committed', entity: digest, data: { reference: digest, digest, size: bytes.length } },
    { actor: 'content', fact: 'created', entity: digest, data: { digest, size: bytes.length } },
  ])
})

test('its file is nobody else to see, and nobody at all to write', async () => {
  await using store = await startStore()
  await store.ingest.put({ digest, bytes })
  const { path } = await store.content.locate({ digest })
  expect((await stat(path)).mode & 0o7777).toBe(0o444)
  expect((await stat(store.home.root)).mode & 0o7777).toBe(0o700)
  expect((await stat(join(store.home.root, 'content'))).mode & 0o7777).toBe(0o700)
})

test('bytes that are something else leave nothing behind', async () => {
  await using store = await startStore()
  await expect(store.ingest.put({ digest, bytes: Buffer.from('something else') })).rejects.toMatchObject({
    code: 'data_loss',
    details: { expected: digest, digest: digestOf('something else') },
  })
  expect(await readdir(join(store.home.root, 'content/ingest'))).toEqual([])
  expect(await readdir(join(store.home.root, 'content/blobs/sha256'))).toEqual([])
  expect(store.told).toEqual([])
})

test('an ingest of the same blob that was left unfinished is done with', async () => {
  await using store = await startStore()
  const { token } = await store.ingest.open({ reference: digest, expected: digest })
  await store.ingest.write({ token, offset: 0, bytes: bytes.subarray(0, 4) })
  await store.ingest.close({ token })
  await store.ingest.put({ digest, bytes })
  expect((await store.ingest.list({})).ingests).toEqual([])
})

test('gives up when told to', async () => {
  await using store = await startStore()
  await expect(store.ingest.put({ digest, bytes }, { signal: AbortSignal.abort() })).rejects.toMatchObject({ code: 'cancelled' })
})
