import { afterAll, beforeAll, expect, test } from 'vitest'
import { type Bucket, type Entry, openBucket } from '../../../runtime/bus/bucket.ts'
import type { Bus } from '../../../runtime/bus/bus.ts'
import { memoryBus } from '../../../runtime/bus/memory.ts'
import { type NatsServer, startNats } from '../../support/nats.ts'

let nats: NatsServer
let bus: Bus

beforeAll(async () => {
  nats = await startNats({ jetstream: true })
  bus = await nats.connect()
})
afterAll(() => nats[Symbol.asyncDispose]())

test('a value is put once, and changed only by who has seen what it was', async () => {
  const bucket = await opened('once')
  expect(await bucket.get('a')).toBeUndefined()
  const first = (await bucket.create('a', { n: 1 })) ?? 0
  expect(first).toBeGreaterThan(0)
  expect(await bucket.create('a', { n: 2 })).toBeUndefined()
  const second = (await bucket.update('a', { n: 3 }, first)) ?? 0
  expect(second).toBeGreaterThan(first)
  expect(await bucket.update('a', { n: 4 }, first)).toBeUndefined()
  expect(await bucket.get('a')).toEqual({ key: 'a', value: { n: 3 }, revision: second })
})

test('a value is taken away only by who has seen what it was, and then put again', async () => {
  const bucket = await opened('away')
  const first = (await bucket.create('a', { n: 1 })) ?? 0
  const second = (await bucket.update('a', { n: 2 }, first)) ?? 0
  expect(await bucket.remove('a', first)).toBe(false)
  expect(await bucket.remove('a', second)).toBe(true)
  expect((await bucket.get('a'))?.value).toBeUndefined()
  expect(await bucket.create('a', { n: 3 })).toBeGreaterThan(second)
})

test('one of twenty who put the same at once has it', async () => {
  const bucket = await opened('race')
  const revisions = await Promise.all(Array.from({ length: 20 }, (_, n) => bucket.create('a', { n })))
  expect(revisions.filter((revision) => revision !== undefined)).toHaveLength(1)
})

test('who watches sees what is there, every change, and that it is gone', async () => {
  const bucket = await opened('watched')
  const first = (await bucket.create('x.a', { n: 1 })) ?? 0
  await bucket.create('y', { n: 0 })
  const leaving = new AbortController()
  const seen: Entry<{ n: number }>[] = []
  const second = Promise.withResolvers<void>()
  const watching = (async () => {
    for await (const entry of bucket.watch('x.*', { signal: leaving.signal })) {
      seen.push(entry)
      if (seen.length === 1) second.resolve()
      if (entry.value === undefined) return
    }
  })()
  await second.promise
  const changed = (await bucket.update('x.a', { n: 2 }, first)) ?? 0
  await bucket.remove('x.a', changed)
  await watching
  expect(seen.map(({ value }) => value)).toEqual([{ n: 1 }, { n: 2 }, undefined])
})

test('who watches hears of what changed while the server was away, and of nothing that nobody changed', async () => {
  await using mortal = await startNats({ jetstream: true })
  const [near, far] = [await mortal.connect(), await mortal.connect()]
  const watched = await openBucket<{ n: number }>(near, { name: 'away', kept: true })
  const changed = await openBucket<{ n: number }>(far, { name: 'away', kept: true })
  const first = (await changed?.create('a', { n: 1 })) ?? 0
  const leaving = new AbortController()
  const seen = watched?.watch('>', { signal: leaving.signal })[Symbol.asyncIterator]()
  expect((await seen?.next())?.value).toMatchObject({ key: 'a', value: { n: 1 } })
  far.publish('gantry.all.bus.kept.away.a', { headers: {}, payload: Buffer.from('a stranger') })
  await far.flush()
  const lost = Promise.withResolvers<void>()
  const back = Promise.withResolvers<void>()
  near.onStatus((status) => (status === 'connected' ? back : lost).resolve())
  const farBack = Promise.withResolvers<void>()
  far.onStatus((status) => status === 'connected' && farBack.resolve())
  await mortal.restart()
  await Promise.all([lost.promise, back.promise, farBack.promise])
  await changed?.update('a', { n: 2 }, first)
  expect((await seen?.next())?.value).toMatchObject({ key: 'a', value: { n: 2 } })
  leaving.abort(new Error('enough'))
  await expect(seen?.next()).rejects.toThrow('enough')
})

test('all there is, is listed without making a consumer', async () => {
  const bucket = await opened('listed')
  await bucket.create('a', { n: 1 })
  await bucket.create('b.c', { n: 2 })
  const gone = (await bucket.create('d', { n: 3 })) ?? 0
  await bucket.remove('d', gone)
  const all = await Array.fromAsync(bucket.all({ signal: new AbortController().signal }))
  expect(all.map(({ key, value }) => [key, value?.n]).toSorted()).toEqual([
    ['a', 1],
    ['b.c', 2],
  ])
})

test('watching gives up when told to', async () => {
  const bucket = await opened('given-up')
  const leaving = new AbortController()
  const watching = (async () => {
    for await (const _ of bucket.watch('>', { signal: leaving.signal }));
  })()
  leaving.abort(new Error('enough'))
  await expect(watching).rejects.toThrow('enough')
})

test('two buses share a bucket, two roots do not', async () => {
  const other = await nats.connect()
  const tenant = await nats.connect({ root: 'tenant' })
  await (await opened('shared')).create('a', { n: 1 })
  expect((await (await openBucket<{ n: number }>(other, { name: 'shared', kept: false }))?.get('a'))?.value).toEqual({ n: 1 })
  expect(await (await openBucket<{ n: number }>(tenant, { name: 'shared', kept: false }))?.get('a')).toBeUndefined()
})

test('without JetStream there is none', async () => {
  await using plain = await startNats()
  expect(await openBucket(await plain.connect(), { name: 'none', kept: false })).toBeUndefined()
  expect(await openBucket(memoryBus(), { name: 'none', kept: false })).toBeUndefined()
})

test('a server that went away is unavailable', async () => {
  await using mortal = await startNats({ jetstream: true })
  const bucket = await openBucket<{ n: number }>(await mortal.connect(), { name: 'mortal', kept: false })
  await mortal.kill()
  await expect(bucket?.create('a', { n: 1 })).rejects.toMatchObject({ code: 'unavailable' })
})

async function opened(name: string): Promise<Bucket<{ n: number }>> {
  const bucket = await openBucket<{ n: number }>(bus, { name, kept: false })
  if (!bucket) throw new Error('the server has JetStream')
  return bucket
}
