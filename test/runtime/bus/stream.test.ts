import { expect, test } from 'vitest'
import { z } from 'zod'
import { event } from '../../../messages/grammar/index.ts'
import { durably } from '../../../runtime/bus/durable.ts'
import { envelope, eventPacket } from '../../../runtime/bus/envelope.ts'
import { memoryBus } from '../../../runtime/bus/memory.ts'
import { keepEvents, recall } from '../../../runtime/bus/stream.ts'
import { tell } from '../../../runtime/bus/tell.ts'
import { startNats } from '../../support/nats.ts'

const protocols = {
  parrot: {
    said: event('It was said.', z.object({ text: z.string() }), { entity: 'text' }),
    moved: event('It moved.', z.object({ text: z.string() }), { entity: 'text', durable: false }),
  },
}

const { signal } = new AbortController()
const said = (text: string, node = 'n1') =>
  eventPacket('gantry', envelope({ node, actor: 'parrot', fact: 'said', entity: text, data: { text } }))
const texts = async (events: AsyncIterable<{ data: unknown }>) =>
  (await Array.fromAsync(events)).map(({ data }) => (data as { text: string }).text)

test('durable facts are kept, told twice is kept once, progress passes by', async () => {
  await using nats = await startNats({ jetstream: true })
  const bus = await nats.connect()
  expect(await keepEvents(bus, { protocols })).toBe(true)
  const publish = durably(bus)
  const [one, two] = [said('one'), said('two', 'n2')]
  for (const { subject, packet } of [one, one, two]) await publish(subject, packet, { signal })
  tell(bus, { node: 'n1', actor: 'parrot', fact: 'moved', data: { text: 'moved' } })
  await bus.flush()
  expect(await texts(recall(bus))).toEqual(['one', 'two'])
  expect(await texts(recall(bus, { node: 'n2' }))).toEqual(['two'])
  expect(await texts(recall(bus, { actor: 'cat' }))).toEqual([])
  expect(await texts(recall(bus, { since: new Date(Date.now() + 60_000) }))).toEqual([])
})

test('recalling goes on with what is told from now on, until told to stop', async () => {
  await using nats = await startNats({ jetstream: true })
  const bus = await nats.connect()
  await keepEvents(bus, { protocols })
  const publish = durably(bus)
  const stop = new AbortController()
  const got: unknown[] = []
  const first = said('one')
  await publish(first.subject, first.packet, { signal })
  const reading = (async () => {
    for await (const { data } of recall(bus, { follow: true, signal: stop.signal })) {
      got.push(data)
      const next = said('two')
      if (got.length === 1) await publish(next.subject, next.packet, { signal })
      else stop.abort()
    }
  })()
  await expect(reading).rejects.toMatchObject({ name: 'AbortError' })
  expect(got).toEqual([{ text: 'one' }, { text: 'two' }])
})

test('what is kept survives the server, and what one node wants kept another does not end', async () => {
  await using nats = await startNats({ jetstream: true })
  const bus = await nats.connect()
  await keepEvents(bus, { protocols })
  await keepEvents(bus, {
    protocols: { cat: { purred: event('It purred.', z.object({ text: z.string() }), { entity: 'text' }) } },
    maxAgeMs: 60_000,
  })
  const { subject, packet } = said('one')
  await durably(bus)(subject, packet, { signal })
  const back = new Promise<void>((resolve) => bus.onStatus((status) => status === 'connected' && resolve()))
  await nats.restart()
  await back
  expect(await texts(recall(bus))).toEqual(['one'])
})

test('publishing durably fails while nothing keeps the fact, and while NATS is away', async () => {
  await using nats = await startNats({ jetstream: true })
  const bus = await nats.connect()
  const publish = durably(bus)
  const { subject, packet } = said('one')
  await expect(publish(subject, packet, { signal })).rejects.toMatchObject({ code: 'unavailable' })
  await keepEvents(bus, { protocols })
  await publish(subject, packet, { signal })
  await nats.kill()
  await expect(publish(subject, packet, { signal })).rejects.toMatchObject({ code: 'unavailable' })
})

test('without JetStream facts are told and not kept', async () => {
  await using nats = await startNats()
  for (const bus of [memoryBus(), await nats.connect()]) {
    const heard = Promise.withResolvers<void>()
    const { subject, packet } = said('one')
    await bus.subscribe(subject, () => heard.resolve()).ready
    expect(await keepEvents(bus, { protocols })).toBe(false)
    await durably(bus)(subject, packet, { signal })
    await heard.promise
    await expect(texts(recall(bus))).rejects.toMatchObject({ code: 'unimplemented' })
  }
})

test('publishing durably gives up when told to', async () => {
  await using nats = await startNats({ jetstream: true })
  const bus = await nats.connect()
  const { subject, packet } = said('one')
  await expect(durably(bus)(subject, packet, { signal: AbortSignal.abort() })).rejects.toMatchObject({ code: 'cancelled' })
})
