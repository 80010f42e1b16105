import { expect, test } from 'vitest'
import { z } from 'zod'
import { event, Failure } from '../../../messages/grammar/index.ts'
import type { Bus } from '../../../runtime/bus/bus.ts'
import { type DurablePublish, durably, keptOf } from '../../../runtime/bus/durable.ts'
import { envelope, eventPacket } from '../../../runtime/bus/envelope.ts'
import { connectNats } from '../../../runtime/bus/nats.ts'
import { keepEvents, recall } from '../../../runtime/bus/stream.ts'
import { type Outbox, openOutbox } from '../../../runtime/records/outbox.ts'
import { openTables, type Tables } from '../../../runtime/tables.ts'
import { startNats } from '../../support/nats.ts'
import { tempDirectory } from '../../support/temp.ts'
import { quiet } from './door.ts'

const door = {
  opened: event('A door was opened.', z.object({ n: z.int() }), { entity: 'n' }),
  closed: event('It was closed.', z.object({ n: z.int() }), { entity: 'n' }),
}
const { signal } = new AbortController()

/** The shortest a server remembers ids: what is two minutes in the field. */
const dedupeMs = 100

/** An outbox on a stream that forgets soon; `sureMs: 0` has it doubt from the first failure on. */
const open = (tables: Tables, bus: Bus, publish: DurablePublish, node = 'n1'): Outbox =>
  openOutbox({ tables, name: 'main', node, bus, log: quiet, publish, kept: keptOf(bus, node), sureMs: 0 })

const about = (n: number, entity = 'front') => ({ actor: 'door', fact: 'opened', entity, data: { n } })

/** Resolves once the stream keeps again what it was told before: nothing told before now is remembered. */
async function forgotten(bus: Bus): Promise<void> {
  const publish = durably(bus)
  const probe = envelope({ node: 'probe', actor: 'door', fact: 'closed', data: {} })
  const { subject, packet } = eventPacket('gantry', probe)
  const first = await publish(subject, packet, { signal })
  await expect.poll(() => publish(subject, packet, { signal }), { interval: 20, timeout: 10_000 }).not.toBe(first)
}

async function told(bus: Bus, node = 'n1'): Promise<{ n: unknown; id: string }[]> {
  const events = await Array.fromAsync(recall(bus, { node, patterns: ['door.opened'] }))
  return events.map(({ id, data }) => ({ n: data['n'], id }))
}

/** Stored, and never answered: from the given fact on. */
const unanswered = (publish: DurablePublish, from: number): DurablePublish & { stored: Promise<void>; answer(): void } => {
  const stored = Promise.withResolvers<void>()
  let answering = false
  const publishing: DurablePublish = async (subject, packet, options) => {
    const place = await publish(subject, packet, options)
    const { data } = JSON.parse(Buffer.from(packet.payload).toString()) as { data: { n: number } }
    if (answering || data.n < from) return place
    stored.resolve()
    throw new Failure('unavailable', 'publish: the answer was lost')
  }
  return Object.assign(publishing, { stored: stored.promise, answer: () => void (answering = true) })
}

test('without being asked, a stream keeps twice what it is told again after it forgot', async () => {
  await using nats = await startNats({ jetstream: true })
  const bus = await nats.connect()
  await keepEvents(bus, { protocols: { door }, dedupeMs })
  const { subject, packet } = eventPacket('gantry', envelope({ node: 'n1', ...about(1) }))
  await durably(bus)(subject, packet, { signal })
  await forgotten(bus)
  await durably(bus)(subject, packet, { signal })
  expect(await told(bus)).toHaveLength(2)
})

test('what was told and not answered before a long outage is not told again', async () => {
  await using directory = await tempDirectory()
  await using nats = await startNats({ jetstream: true })
  const bus = await nats.connect()
  await keepEvents(bus, { protocols: { door }, dedupeMs })
  await using tables = await openTables(directory.path)
  const publish = unanswered(durably(bus), 3)
  await using outbox = open(tables, bus, publish)
  for (const n of [1, 2]) await tables.transaction(() => outbox.put(about(n)))
  await outbox.empty()
  await tables.transaction(() => {
    for (const n of [3, 4, 5]) outbox.put(about(n, n === 5 ? 'back' : 'front'))
  })
  await publish.stored
  await nats.restart()
  await forgotten(await nats.connect())
  publish.answer()
  await outbox.empty()
  const all = await told(bus)
  expect(all.map(({ n }) => n).toSorted()).toEqual([1, 2, 3, 4, 5])
  expect(all.filter(({ n }) => n !== 5).map(({ n }) => n)).toEqual([1, 2, 3, 4])
})

test('what an earlier run told without knowing is not told again, however long ago, and others are not read for it', async () => {
  await using directory = await tempDirectory()
  await using nats = await startNats({ jetstream: true })
  const bus = await nats.connect()
  await keepEvents(bus, { protocols: { door }, dedupeMs })
  {
    await using tables = await openTables(directory.path)
    const publish = unanswered(durably(bus), 40)
    const outbox = open(tables, bus, publish)
    for (let n = 1; n < 40; n++) await tables.transaction(() => outbox.put(about(n)))
    await outbox.empty()
    await tables.transaction(() => {
      for (let n = 40; n <= 60; n++) outbox.put(about(n, `door-${n}`))
    })
    await publish.stored
    await outbox[Symbol.asyncDispose]()
  }
  await using another = await tempDirectory()
  await using theirs = await openTables(another.path)
  await using other = open(theirs, bus, durably(bus), 'n2')
  await theirs.transaction(() => {
    for (let n = 1; n <= 300; n++) other.put(about(n, `door-${n}`))
  })
  await other.empty()
  await forgotten(bus)
  const read: string[] = []
  await using tables = await openTables(directory.path)
  const left = [...tables.table<{ id: string }>('outbox.main').range()].map(({ value }) => value.id)
  const kept: ReturnType<typeof keptOf> = async function* (from, options) {
    for await (const id of keptOf(bus, 'n1')(from, options)) {
      read.push(id)
      yield id
    }
  }
  await using outbox = openOutbox({ tables, name: 'main', node: 'n1', bus, log: quiet, publish: durably(bus), kept })
  await outbox.empty()
  expect((await told(bus)).map(({ n }) => n)).toEqual(Array.from({ length: 60 }, (_, n) => n + 1))
  expect(read.toSorted()).toEqual(left.toSorted())
})

test('where the stream may not be read, what waits is told all the same', async () => {
  await using directory = await tempDirectory()
  const permissions = 'permissions { publish { allow: [">"], deny: ["$JS.API.STREAM.MSG.GET.>"] } }'
  const config = `authorization { users: [{ user: node, password: secret, ${permissions} }, { user: reader, password: secret }] }`
  await using nats = await startNats({ jetstream: true, config })
  await using bus = await connectNats({ url: nats.url, user: 'node', password: 'secret' })
  await keepEvents(bus, { protocols: { door } })
  await using tables = await openTables(directory.path)
  const never: DurablePublish = async () => {
    throw new Failure('unavailable', 'publish: not now')
  }
  const before = open(tables, bus, never)
  await tables.transaction(() => before.put(about(1)))
  await before[Symbol.asyncDispose]()
  await using outbox = open(tables, bus, durably(bus))
  await outbox.empty()
  await using reader = await connectNats({ url: nats.url, user: 'reader', password: 'secret' })
  expect(await told(reader)).toHaveLength(1)
})

test('asking what is kept gives up when told to', async () => {
  await using nats = await startNats({ jetstream: true })
  const bus = await nats.connect()
  await keepEvents(bus, { protocols: { door } })
  await expect(Array.fromAsync(keptOf(bus, 'n1')(1, { signal: AbortSignal.abort() }))).rejects.toMatchObject({ code: 'cancelled' })
})
