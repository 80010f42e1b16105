import { stat } from 'node:fs/promises'
import { expect, test } from 'vitest'
import { digestOf, startStore } from '../../support/content.ts'

const bytes = Buffer.from('a small blob')

test('a small blob is content after one call', async () => {
  await using store = await startStore()
  const info = await store.ingest.put({ digest: digestOf(bytes), bytes, labels: { of: 'a test' } })
  expect(info).toMatchObject({ digest: digestOf(bytes), size: bytes.length, labels: { of: 'a test' }, durable: false })
  expect(Buffer.from((await store.content.read({ digest: info.digest })).bytes)).toEqual(bytes)
  const { path } = await store.content.locate({ digest: info.digest })
  expect((await stat(path)).mode & 0o7777).toBe(0o444)
  expect(store.told).toMatchObject([
    { actor: 'content', fact: 'created', entity: info.digest, data: { digest: info.digest, size: bytes.length } },
    { actor: 'ingest', fact: 'committed', entity: info.digest },
  ])
})
