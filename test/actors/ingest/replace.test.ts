import { chmod, open, readFile, stat, writeFile } from 'node:fs/promises'
import { expect, test } from 'vitest'
import { digestOf, type Store, startStore } from '../../support/content.ts'

const bytes = Buffer.from('what it should be')
const digest = digestOf(bytes)

async function damaged(store: Store): Promise<string> {
  await store.ingest.put({ digest, bytes, labels: { keep: 'this' } })
  const { path } = await store.content.locate({ digest })
  await chmod(path, 0o600)
  await writeFile(path, 'what it should not')
  return path
}

async function brought(store: Store, with_: Uint8Array): Promise<string> {
  const { token } = await store.ingest.open({ reference: 'again', total: with_.length })
  await store.ingest.write({ token, offset: 0, bytes: with_ })
  return token
}

test('a commit that is to replace gives what is content other bytes; its labels stay, and whoever reads the old reads on', async () => {
  await using store = await startStore()
  const path = await damaged(store)
  const before = await store.content.info({ digest })
  await using file = await open(path, 'r')
  const info = await store.ingest.commit({ token: await brought(store, bytes), digest, replace: true })
  expect(info).toMatchObject({ digest, createdAt: before.createdAt, labels: { keep: 'this' }, durable: false })
  expect(await readFile(path)).toEqual(bytes)
  expect((await stat(path)).mode & 0o777).toBe(0o444)
  expect(await file.readFile('utf8')).toBe('what it should not')
  expect(await store.content.verify({ digest })).toEqual({ digest, size: bytes.length })
  expect(store.told.filter(({ fact }) => fact === 'created')).toHaveLength(1)
  await expect(store.ingest.status({ reference: 'again' })).rejects.toMatchObject({ code: 'not_found' })
})

test('other bytes than the digest says replace nothing, and are kept to be gone on with', async () => {
  await using store = await startStore()
  const path = await damaged(store)
  const token = await brought(store, Buffer.from('something else'))
  await expect(store.ingest.commit({ token, digest, replace: true })).rejects.toMatchObject({
    code: 'failed_precondition',
    details: { reason: 'digest' },
  })
  expect(await readFile(path, 'utf8')).toBe('what it should not')
  expect(await store.ingest.status({ reference: 'again' })).toMatchObject({ state: 'closed' })
})

test('without it what is content stays as it is', async () => {
  await using store = await startStore()
  const path = await damaged(store)
  await expect(store.ingest.commit({ token: await brought(store, bytes), digest })).rejects.toMatchObject({ code: 'already_exists' })
  expect(await readFile(path, 'utf8')).toBe('what it should not')
})

test('what is not there is made', async () => {
  await using store = await startStore()
  await store.ingest.commit({ token: await brought(store, bytes), digest, labels: { new: 'label' }, replace: true })
  expect(await store.content.info({ digest })).toMatchObject({ labels: { new: 'label' } })
})
