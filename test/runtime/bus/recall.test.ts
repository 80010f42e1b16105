import { expect, test } from 'vitest'
import { z } from 'zod'
import { event } from '../../../messages/grammar/index.ts'
import type { Bus } from '../../../runtime/bus/bus.ts'
import { durably } from '../../../runtime/bus/durable.ts'
import { type Envelope, envelope, eventPacket } from '../../../runtime/bus/envelope.ts'
import { connectionOf, connectNats } from '../../../runtime/bus/nats.ts'
import { keepEvents, type Recalling, recall } from '../../../runtime/bus/stream.ts'
import { startNats } from '../../support/nats.ts'

const fact = (durable = true) => event('It happened.', z.object({ id: z.string() }), { entity: 'id', durable })
const protocols = {
  image: { created: fact(), updated: fact(), removed: fact() },
  snapshot: { committed: fact(), removed: fact() },
  ingest: { committed: fact(), advanced: fact(false) },
}
const { signal } = new AbortController()

/** `<node> <actor>.<fact> <entity>`, in order. */
async function tellAll(bus: Bus, facts: readonly string[]): Promise<void> {
  const publish = durably(bus)
  for (const one of facts) {
    const [node = '', type = '', entity = ''] = one.split(' ')
    const [actor = '', what = ''] = type.split('.')
    const { subject, packet } = eventPacket('gantry', envelope({ node, actor, fact: what, entity, data: { id: entity } }))
    await publish(subject, packet, { signal })
  }
}

const shown = ({ source, type, subject }: Envelope): string => `${source} ${type} ${subject}`

async function recalled(bus: Bus, recalling?: Recalling): Promise<string[]> {
  return (await Array.fromAsync(recall(bus, recalling))).map(shown)
}

const story = [
  'n1 image.created a',
  'n2 image.created a',
  'n1 snapshot.committed s',
  'n1 image.updated a',
  'n2 ingest.committed i',
  'n1 image.removed a',
  'n1 image.created b',
  'n2 snapshot.removed s',
  'n2 image.created b',
]

test('what was kept is recalled by patterns as subjects of NATS are, in the order it was told', async () => {
  await using nats = await startNats({ jetstream: true })
  const bus = await nats.connect()
  await keepEvents(bus, { protocols })
  await tellAll(bus, story)
  const only = (expression: RegExp) => story.filter((one) => expression.test(one))
  expect(await recalled(bus)).toEqual(story)
  expect(await recalled(bus, { patterns: ['>'] })).toEqual(story)
  expect(await recalled(bus, { patterns: ['image.>'] })).toEqual(only(/image/))
  expect(await recalled(bus, { patterns: ['image.*', 'snapshot.>'] })).toEqual(only(/image|snapshot/))
  expect(await recalled(bus, { patterns: ['*.removed'] })).toEqual(only(/removed/))
  expect(await recalled(bus, { patterns: ['*.removed', 'image.>'] })).toEqual(only(/removed|image/))
  expect(await recalled(bus, { patterns: ['ingest.advanced', 'cat.>'] })).toEqual([])
  expect(await recalled(bus, { node: 'n1' })).toEqual(only(/^n1/))
  expect(await recalled(bus, { node: 'n1', patterns: ['image.>'] })).toEqual(only(/^n1 image/))
  expect(await recalled(bus, { node: 'n1', patterns: ['image.created', 'snapshot.>'] })).toEqual(only(/^n1 (image.created|snapshot)/))
  expect(await recalled(bus, { actor: 'image', fact: 'created' })).toEqual(only(/image.created/))
  for (const pattern of ['image', 'image.>.x', 'a.b.c', '', 'image.', '*', 'im age.>'])
    await expect(recalled(bus, { patterns: [pattern] })).rejects.toMatchObject({ code: 'invalid_argument' })
})

test('what was kept is recalled from a place on, and each fact says its place', async () => {
  await using nats = await startNats({ jetstream: true })
  const bus = await nats.connect()
  await keepEvents(bus, { protocols })
  await tellAll(bus, story)
  const places = (await Array.fromAsync(recall(bus, { patterns: ['image.>'] }))).map(({ seq }) => seq)
  expect(places).toEqual([1, 2, 4, 6, 7, 9])
  expect(await recalled(bus, { from: 4 })).toEqual(story.slice(3))
  expect(await recalled(bus, { from: 5, patterns: ['image.>'] })).toEqual([
    'n1 image.removed a',
    'n1 image.created b',
    'n2 image.created b',
  ])
  expect(await recalled(bus, { from: 10 })).toEqual([])
})

test('what was kept is recalled since a time', async () => {
  await using nats = await startNats({ jetstream: true })
  const bus = await nats.connect()
  await keepEvents(bus, { protocols })
  await tellAll(bus, story.slice(0, 3))
  const told = Date.now()
  await expect.poll(() => Date.now()).toBeGreaterThan(told)
  const since = new Date()
  await tellAll(bus, story.slice(3))
  expect(await recalled(bus, { since })).toEqual(story.slice(3))
  expect(await recalled(bus, { since, patterns: ['snapshot.>'] })).toEqual(['n2 snapshot.removed s'])
  expect(await recalled(bus, { since, from: 8 })).toEqual(story.slice(7))
  expect(await recalled(bus, { since: new Date(0) })).toEqual(story)
  expect(await recalled(bus, { since: new Date(Date.now() + 60_000) })).toEqual([])
})

test('all that was told of one thing is recalled in order, and the newest of each thing', async () => {
  await using nats = await startNats({ jetstream: true })
  const bus = await nats.connect()
  await keepEvents(bus, { protocols })
  await tellAll(bus, story)
  expect(await recalled(bus, { entity: 'a', node: 'n1' })).toEqual(['n1 image.created a', 'n1 image.updated a', 'n1 image.removed a'])
  expect(await recalled(bus, { entity: 's' })).toEqual(['n1 snapshot.committed s', 'n2 snapshot.removed s'])
  const ofEach = ({ source, subject }: Envelope) => `${source} ${subject}`
  expect(await recalled(bus, { patterns: ['image.>', 'snapshot.>'], last: ofEach })).toEqual([
    'n2 image.created a',
    'n1 snapshot.committed s',
    'n1 image.removed a',
    'n1 image.created b',
    'n2 snapshot.removed s',
    'n2 image.created b',
  ])
  expect(await recalled(bus, { entity: 'a', last: ({ subject }) => subject ?? '' })).toEqual(['n1 image.removed a'])
})

test.each([
  { patterns: ['image.>'], most: 1.2 },
  { patterns: ['image.created', 'image.removed'], most: 1.2 },
  { patterns: ['image.>'], node: 'n1', most: 1.2 },
])('who wants $patterns of $node is not sent what others tell', async ({ most, ...wanted }) => {
  await using nats = await startNats({ jetstream: true })
  const bus = await nats.connect()
  await keepEvents(bus, { protocols })
  const facts = Array.from({ length: 2_000 }, (_, n) => (n % 20 ? `n1 snapshot.committed ${n}` : `n1 image.created ${n}`))
  await tellAll(bus, facts)
  const other = await nats.connect()
  const before = connectionOf(other)?.stats().inMsgs ?? 0
  expect(await recalled(other, wanted)).toHaveLength(100)
  // beside the facts a few answers of the server
  expect((connectionOf(other)?.stats().inMsgs ?? 0) - before).toBeLessThan(100 * most)
})

test('recalling several patterns goes on with both, in order, each fact once', async () => {
  await using nats = await startNats({ jetstream: true })
  const bus = await nats.connect()
  await keepEvents(bus, { protocols })
  await tellAll(bus, story)
  const got: string[] = []
  for await (const event of recall(bus, { patterns: ['*.removed', 'image.>', 'snapshot.>'], from: 6, follow: true })) {
    got.push(shown(event))
    if (got.length === 4)
      await tellAll(bus, ['n1 snapshot.committed t', 'n1 ingest.committed i', 'n1 image.removed b', 'n1 snapshot.removed t'])
    if (got.length === 7) break
  }
  expect(got).toEqual([...story.slice(5), 'n1 snapshot.committed t', 'n1 image.removed b', 'n1 snapshot.removed t'])
})

test('who follows goes on after the server was killed, and misses nothing', { timeout: 60_000 }, async () => {
  await using nats = await startNats({ jetstream: true })
  const bus = await nats.connect()
  await keepEvents(bus, { protocols })
  await tellAll(bus, story)
  const got: string[] = []
  for await (const event of recall(bus, { patterns: ['image.>'], from: 9, follow: true })) {
    got.push(shown(event))
    if (got.length === 3) break
    await nats.restart()
    const teller = await nats.connect()
    await tellAll(teller, [`n1 image.updated after-${got.length}`])
  }
  expect(got).toEqual(['n2 image.created b', 'n1 image.updated after-1', 'n1 image.updated after-2'])
})

test('recalling fails with unavailable when the stream does not answer, and gives up when told to', async () => {
  await using nats = await startNats({ jetstream: true })
  const bus = await nats.connect()
  await keepEvents(bus, { protocols })
  await tellAll(bus, story)
  await expect(recalled(bus, { follow: true, signal: AbortSignal.abort() })).rejects.toMatchObject({ name: 'AbortError' })
  await nats.kill()
  await expect(recalled(bus)).rejects.toMatchObject({ code: 'unavailable' })
})

test('who may not read the stream is told so', async () => {
  const readers = ['INFO', 'CONSUMER'].map((user) => {
    const deny = user === 'INFO' ? '$JS.API.STREAM.INFO.>' : '$JS.API.CONSUMER.>'
    return `{ user: ${user}, password: secret, permissions { publish { allow: [">"], deny: ["${deny}"] } } }`
  })
  const config = `authorization { users: [{ user: all, password: secret }, ${readers.join(', ')}] }`
  await using nats = await startNats({ jetstream: true, config })
  await using bus = await connectNats({ url: nats.url, user: 'all', password: 'secret' })
  await keepEvents(bus, { protocols })
  await tellAll(bus, story)
  for (const user of ['INFO', 'CONSUMER']) {
    await using reader = await connectNats({ url: nats.url, user, password: 'secret' })
    await expect(recalled(reader)).rejects.toMatchObject({ code: 'permission_denied' })
  }
})
