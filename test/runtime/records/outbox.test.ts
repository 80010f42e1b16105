import { expect, test } from 'vitest'
import { Failure } from '../../../messages/grammar/index.ts'
import type { Packet } from '../../../runtime/bus/bus.ts'
import { type Envelope, openEnvelope } from '../../../runtime/bus/envelope.ts'
import { type Outbox, openOutbox } from '../../../runtime/records/outbox.ts'
import { openTables, type Tables } from '../../../runtime/tables.ts'
import { tempDirectory } from '../../support/temp.ts'
import { quiet } from './door.ts'

/** A bus whose stream takes what it is given, unless told to fail; it remembers what it took, each id once. */
class Stream {
  readonly root = 'gantry'
  readonly taken: Envelope[] = []
  readonly attempts: string[] = []
  away: Failure | undefined
  #listeners = new Set<(status: 'connected' | 'disconnected') => void>()

  onStatus = (listener: (status: 'connected' | 'disconnected') => void): Disposable => {
    this.#listeners.add(listener)
    return { [Symbol.dispose]: () => void this.#listeners.delete(listener) }
  }

  publish = async (subject: string, packet: Packet): Promise<number> => {
    const id = packet.headers['Nats-Msg-Id'] ?? ''
    this.attempts.push(id)
    if (this.away) throw this.away
    const place = this.taken.findIndex((event) => event.id === id)
    return place < 0 ? this.taken.push(openEnvelope({ subject, ...packet })) : place + 1
  }

  back(): void {
    this.away = undefined
    for (const listener of this.#listeners) listener('connected')
  }
}

const open = (tables: Tables, stream: Stream): Outbox =>
  openOutbox({ tables, name: 'main', node: 'n1', bus: stream, log: quiet, publish: stream.publish })

const about = (entity: string, data: Record<string, unknown> = {}) => ({ actor: 'door', fact: 'opened', entity, data })

test('what is put is told once the change is committed, with the node, the entity and the trace', async () => {
  await using directory = await tempDirectory()
  await using tables = await openTables(directory.path)
  const stream = new Stream()
  await using outbox = open(tables, stream)
  const trace = `00-${'1'.repeat(32)}-${'2'.repeat(16)}-01`
  await tables.transaction(() => outbox.put({ ...about('front', { wide: true }), trace }))
  await outbox.empty()
  expect(stream.taken).toMatchObject([{ source: 'n1', type: 'door.opened', subject: 'front', data: { wide: true }, traceparent: trace }])
})

test('nothing is told of a change that did not happen', async () => {
  await using directory = await tempDirectory()
  await using tables = await openTables(directory.path)
  const stream = new Stream()
  await using outbox = open(tables, stream)
  await expect(
    tables.transaction(() => {
      outbox.put(about('front'))
      throw new Error('no')
    }),
  ).rejects.toThrow('no')
  await tables.transaction(() => outbox.put(about('back')))
  await outbox.empty()
  expect(stream.taken.map(({ subject }) => subject)).toEqual(['back'])
})

test('nothing can be put outside a transaction', async () => {
  await using directory = await tempDirectory()
  await using tables = await openTables(directory.path)
  await using outbox = open(tables, new Stream())
  expect(() => outbox.put(about('front'))).toThrow('not inside a transaction')
})

test('the facts about one entity are told in order, though the bus fails in between', async () => {
  await using directory = await tempDirectory()
  await using tables = await openTables(directory.path)
  const stream = new Stream()
  let left = 7
  await using outbox = openOutbox({
    tables,
    name: 'main',
    node: 'n1',
    bus: stream,
    log: quiet,
    publish: (subject, packet) => {
      if (left-- === 0) stream.away = new Failure('unavailable', 'publish: the bus is away')
      return stream.publish(subject, packet)
    },
  })
  for (let n = 0; n < 20; n++) await tables.transaction(() => outbox.put(about(n % 2 ? 'front' : 'back', { n })))
  await expect.poll(() => left).toBeLessThan(0)
  stream.back()
  await outbox.empty()
  const told = (entity: string) => stream.taken.filter(({ subject }) => subject === entity).map(({ data }) => data['n'])
  expect(told('back')).toEqual([0, 2, 4, 6, 8, 10, 12, 14, 16, 18])
  expect(told('front')).toEqual([1, 3, 5, 7, 9, 11, 13, 15, 17, 19])
})

test('what could not be told is told when the bus is back', async () => {
  await using directory = await tempDirectory()
  await using tables = await openTables(directory.path)
  const stream = new Stream()
  stream.away = new Failure('unavailable', 'publish: the bus is away')
  await using outbox = open(tables, stream)
  await tables.transaction(() => outbox.put(about('front')))
  await expect.poll(() => stream.attempts.length).toBeGreaterThan(0)
  expect(stream.taken).toEqual([])
  stream.back()
  await outbox.empty()
  expect(stream.taken).toHaveLength(1)
})

test('what an earlier run left is told by the next, under the same id', async () => {
  await using directory = await tempDirectory()
  await using tables = await openTables(directory.path)
  const lost = new Stream()
  // The stream took it, but the answer never came.
  const never = openOutbox({
    tables,
    name: 'main',
    node: 'n1',
    bus: lost,
    log: quiet,
    publish: async (subject, packet, { signal }) => {
      await lost.publish(subject, packet)
      await new Promise((_, reject) => signal.addEventListener('abort', () => reject(signal.reason)))
    },
  })
  await tables.transaction(() => never.put(about('front')))
  await expect.poll(() => lost.taken.length).toBe(1)
  await never[Symbol.asyncDispose]()
  const stream = new Stream()
  await using outbox = open(tables, stream)
  await outbox.empty()
  expect(stream.taken.map(({ id }) => id)).toEqual(lost.taken.map(({ id }) => id))
})

test('what is told is taken out with the next fact, or at the end: it costs no transaction of its own', async () => {
  await using directory = await tempDirectory()
  await using opened = await openTables(directory.path)
  let count = 0
  const tables: Tables = {
    ...opened,
    transaction(work) {
      count++
      return opened.transaction(work)
    },
  }
  const stream = new Stream()
  const left = () => [...opened.table('outbox.main').range()].length
  {
    await using outbox = open(tables, stream)
    for (let n = 1; n <= 5; n++) {
      await tables.transaction(() => outbox.put(about('front', { n })))
      await expect.poll(() => stream.taken.length).toBe(n)
    }
    expect(count).toBe(5)
    expect(left()).toBe(1)
  }
  expect([count, left()]).toEqual([6, 0])
  expect(stream.attempts).toHaveLength(5)
})

test('what was told stays told though the transaction that was to take it out is undone', async () => {
  await using directory = await tempDirectory()
  await using tables = await openTables(directory.path)
  const stream = new Stream()
  await using outbox = open(tables, stream)
  await tables.transaction(() => outbox.put(about('front')))
  await expect.poll(() => stream.taken.length).toBe(1)
  const undone = tables.transaction(() => {
    outbox.put(about('back'))
    throw new Error('no')
  })
  await expect(undone).rejects.toThrow('no')
  await outbox.empty()
  expect(stream.attempts).toHaveLength(1)
  expect([...tables.table('outbox.main').range()]).toEqual([])
})

test('a fact no bus can carry does not stand in the way of the next', async () => {
  await using directory = await tempDirectory()
  await using tables = await openTables(directory.path)
  const stream = new Stream()
  await using outbox = openOutbox({
    tables,
    name: 'main',
    node: 'n1',
    bus: stream,
    log: quiet,
    publish: async (subject, packet) => {
      if (openEnvelope({ subject, ...packet }).data['huge']) throw new Failure('out_of_range', 'publish: larger than the bus carries')
      return await stream.publish(subject, packet)
    },
  })
  await tables.transaction(() => {
    outbox.put(about('front', { huge: true }))
    outbox.put(about('front', { huge: false }))
  })
  await outbox.empty()
  expect(stream.taken.map(({ data }) => data['huge'])).toEqual([false])
})

test('gives up waiting when told to', async () => {
  await using directory = await tempDirectory()
  await using tables = await openTables(directory.path)
  const stream = new Stream()
  stream.away = new Failure('unavailable', 'publish: the bus is away')
  await using outbox = open(tables, stream)
  await tables.transaction(() => outbox.put(about('front')))
  await expect(outbox.empty({ signal: AbortSignal.abort() })).rejects.toMatchObject({ name: 'AbortError' })
})
