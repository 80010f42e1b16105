import { describe, expect, test } from 'vitest'
import type { ingest } from '../../../messages/ingest.ts'
import type { Bus } from '../../../runtime/bus/bus.ts'
import { type Heard, listen } from '../../../runtime/bus/listen.ts'
import { memoryBus } from '../../../runtime/bus/memory.ts'
import { tell } from '../../../runtime/bus/tell.ts'

const advanced = (bus: Bus, offset: number, node = 'n1') =>
  tell(bus, { node, actor: 'ingest', fact: 'advanced', entity: 'r', data: { reference: 'r', offset } })

const hear = (bus: Bus, options = {}) => listen<typeof ingest, 'advanced'>(bus, { node: 'n1', actor: 'ingest', fact: 'advanced' }, options)

async function take<T>(heard: Heard<T>, count: number): Promise<T[]> {
  const data: T[] = []
  for await (const event of heard) if (data.push(event.data) === count) break
  return data
}

describe('listening', () => {
  test('hears what is told, in order, in an envelope', async () => {
    await using bus = memoryBus()
    await using heard = hear(bus)
    await heard.ready
    advanced(bus, 1)
    advanced(bus, 5, 'n2')
    advanced(bus, 2)
    expect((await take(heard, 2)).map(({ offset }) => offset)).toEqual([1, 2])
    const one = Promise.withResolvers<object>()
    await using _handler = hear(bus, { handler: one.resolve })
    advanced(bus, 3)
    expect(await one.promise).toMatchObject({
      specversion: '1.0',
      source: 'n1',
      type: 'ingest.advanced',
      subject: 'r',
      id: expect.stringMatching(/^[0-9a-f-]{36}$/),
      time: expect.stringMatching(/^\d{4}-.*Z$/),
      traceparent: expect.stringMatching(/^00-/),
      data: { reference: 'r', offset: 3 },
    })
  })

  test('to everything hears every node, actor and fact', async () => {
    await using bus = memoryBus()
    await using heard = listen(bus, {})
    advanced(bus, 1, 'n2')
    tell(bus, { node: 'n1', actor: 'pull', fact: 'advanced', data: {} })
    const types: string[] = []
    for await (const { type, source } of heard) if (types.push(`${source} ${type}`) === 2) break
    expect(types).toEqual(['n2 ingest.advanced', 'n1 pull.advanced'])
  })

  test('by several patterns hears each fact once, in order, and nothing else', async () => {
    await using bus = memoryBus()
    await using heard = listen(bus, { patterns: ['image.>', '*.removed', 'snapshot.committed', 'image.removed'] })
    for (const fact of [
      'image.created',
      'snapshot.prepared',
      'image.removed',
      'snapshot.removed',
      'ingest.advanced',
      'snapshot.committed',
    ]) {
      const [actor = '', what = ''] = fact.split('.')
      tell(bus, { node: 'n1', actor, fact: what, data: {} })
    }
    const types: string[] = []
    for await (const { type } of heard) if (types.push(type) === 4) break
    expect(types).toEqual(['image.created', 'image.removed', 'snapshot.removed', 'snapshot.committed'])
    expect(() => listen(bus, { patterns: ['image'] })).toThrow('listen to "image": <actor>.<fact> is wanted, image.> for instance')
  })

  test('gives up when told to', async () => {
    await using bus = memoryBus()
    const stop = new AbortController()
    const reading = take(hear(bus, { signal: stop.signal }), 1)
    reading.catch(() => {})
    stop.abort()
    await expect(reading).rejects.toMatchObject({ name: 'AbortError' })
    await expect(take(hear(bus, { signal: AbortSignal.abort() }), 1)).rejects.toMatchObject({ name: 'AbortError' })
  })

  test('ends when disposed', async () => {
    await using bus = memoryBus()
    const heard = hear(bus)
    const reading = take(heard, 1)
    await heard[Symbol.asyncDispose]()
    expect(await reading).toEqual([])
  })

  test('fails when it falls too far behind, rather than keep everything', async () => {
    await using bus = memoryBus()
    await using heard = hear(bus)
    for (let i = 0; i <= 10_000; i++) advanced(bus, i)
    await bus.flush()
    await expect(take(heard, 20_000)).rejects.toMatchObject({ code: 'resource_exhausted' })
  })

  test('hears the next fact after one that is no envelope', async () => {
    await using bus = memoryBus()
    await using heard = hear(bus)
    bus.publish('gantry.event.n1.ingest.advanced', { headers: {}, payload: Buffer.from('{{') })
    advanced(bus, 1)
    expect((await take(heard, 1))[0]?.offset).toBe(1)
  })
})

test('telling drops what is only progress while the bus is away, and says what cannot be told', async () => {
  const bus = memoryBus()
  expect(() => advanced(bus, 1)).not.toThrow()
  expect(() => tell(bus, { node: 'n1', actor: 'a', fact: 'b', data: { text: 'x'.repeat(bus.maxPayload) } })).toThrow(
    expect.objectContaining({ code: 'out_of_range' }),
  )
  await bus[Symbol.asyncDispose]()
  expect(() => advanced(bus, 2)).not.toThrow()
})
