import { writeFile } from 'node:fs/promises'
import { expect, test } from 'vitest'
import type { Tables } from '../../../runtime/tables.ts'
import { digestOf, type Store, startStore } from '../../support/content.ts'

/** A store, and how many transactions it ran. */
async function counted() {
  const count = { transactions: 0 }
  const tables = (tables: Tables): Tables => ({
    ...tables,
    transaction(work) {
      count.transactions++
      return tables.transaction(work)
    },
  })
  return { store: await startStore({ tables, syncDelayMs: 60_000 }), count }
}

const put = async ({ ingest }: Store, bytes: Buffer) => void (await ingest.put({ digest: digestOf(bytes), bytes }))

const lent = async ({ ingest }: Store, bytes: Buffer) => {
  const { token, path } = await ingest.open({ reference: digestOf(bytes), expected: digestOf(bytes), total: bytes.length })
  await writeFile(path, bytes, { flag: 'r+' })
  await ingest.commit({ token, size: bytes.length })
}

const pieces = async ({ ingest }: Store, bytes: Buffer) => {
  const { token } = await ingest.open({ reference: digestOf(bytes), expected: digestOf(bytes), total: bytes.length })
  const piece = 512 * 1024
  for (let at = 0; at < bytes.length; at += piece) await ingest.write({ token, offset: at, bytes: bytes.subarray(at, at + piece) })
  await ingest.commit({ token, size: bytes.length })
}

test.for<[string, (store: Store, bytes: Buffer) => Promise<void>, number, number]>([
  ['a small one put whole is one', put, 1_024, 1],
  ['a small one written to the lent file is two', lent, 1_024, 2],
  ['one of a mebibyte written to the lent file is two', lent, 2 ** 20, 2],
  ['one of a mebibyte sent in pieces is two', pieces, 2 ** 20, 2],
  ['a large one sent in pieces is two', pieces, 5 * 2 ** 20, 2],
])('of transactions of an ingest %s', async ([, bring, size, transactions]) => {
  const { store, count } = await counted()
  await using _store = store
  await bring(store, Buffer.alloc(size, 'warm'))
  count.transactions = 0
  for (let n = 0; n < 3; n++) await bring(store, Buffer.alloc(size, `${n}`))
  expect(count.transactions).toBe(3 * transactions)
})
