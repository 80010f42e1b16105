import { expect, test } from 'vitest'
import { keepingOf } from '../../../runtime/keeping/keeping.ts'
import { digestOf, startStore } from '../../support/content.ts'

const bytes = Buffer.from('labelled')
const digest = digestOf(bytes)

test('labels are set one by one, and taken away by setting them to nothing', async () => {
  await using store = await startStore()
  const { createdAt } = await store.ingest.put({ digest, bytes, labels: { first: '1', second: '2' } })
  const labelled = await store.content.label({ digest, labels: { first: '', third: '3' } })
  expect(labelled).toMatchObject({ createdAt, labels: { second: '2', third: '3' } })
  expect(labelled.updatedAt >= createdAt).toBe(true)
  expect(await store.content.info({ digest })).toEqual(labelled)
})

test('a label and its value are at most 4096 bytes, whatever they are made of', async () => {
  await using store = await startStore()
  await store.ingest.put({ digest, bytes })
  for (const value of ['v'.repeat(4094), 'ü'.repeat(2047), '語'.repeat(1365)])
    await expect(store.content.label({ digest, labels: { key: value } })).rejects.toMatchObject({ code: 'invalid_argument' })
  expect((await store.content.label({ digest, labels: { key: 'ü'.repeat(2046) } })).labels['key']).toHaveLength(2046)
})

test('labels of a blob do not grow without bound, however often it is labelled', async () => {
  await using store = await startStore()
  await store.ingest.put({ digest, bytes })
  const many = (from: number) => Object.fromEntries(Array.from({ length: 100 }, (_, at) => [`key-${from + at}`, 'x']))
  for (const from of [0, 100]) await store.content.label({ digest, labels: many(from) })
  await expect(store.content.label({ digest, labels: many(200) })).rejects.toMatchObject({ code: 'invalid_argument' })
  expect(Object.keys((await store.content.info({ digest })).labels)).toHaveLength(200)
  await store.content.label({ digest, labels: { ...many(150), 'key-0': '' } })
  const long = { key: 'v'.repeat(4000) }
  await expect(
    (async () => {
      for (let count = 0; count < 20; count++) await store.content.label({ digest, labels: { [`long-${count}`]: long.key } })
    })(),
  ).rejects.toMatchObject({ code: 'invalid_argument' })
})

test('what labels say is kept is kept from the same moment on', async () => {
  await using store = await startStore()
  await store.ingest.put({ digest, bytes })
  const other = digestOf('other')
  await store.ingest.put({ digest: other, bytes: Buffer.from('other') })
  const row = () => store.home.tables.table<{ labelled: string[]; rooted?: string }>('thing').get(`content/${digest}`)
  await store.content.label({ digest, labels: { 'gantry.gc.ref.content.other': other, 'gantry.gc.root': '' } })
  expect(row()?.labelled).toEqual([`content/${other}`])
  await store.content.label({ digest, labels: { 'gantry.gc.ref.content.other': '', 'gantry.gc.root': 'always' } })
  expect(row()).toMatchObject({ labelled: [], rooted: 'always' })
  expect(keepingOf(store.home).has({ kind: 'content', key: digest })).toBe(true)
})

test('a label that is refused changes nothing', async () => {
  await using store = await startStore()
  await store.ingest.put({ digest, bytes, labels: { a: '1' } })
  await expect(store.content.label({ digest, labels: { '': 'x' } })).rejects.toMatchObject({ code: 'invalid_argument' })
  await expect(store.content.label({ digest: digestOf('none'), labels: { a: '2' } })).rejects.toMatchObject({ code: 'not_found' })
  expect((await store.content.info({ digest })).labels).toEqual({ a: '1' })
})
