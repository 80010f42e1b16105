import { expect, test } from 'vitest'
import { setup } from 'xstate'
import { Failure } from '../../../messages/grammar/index.ts'
import type { Effect } from '../../../runtime/records/records.ts'
import { records } from '../../../runtime/records/records.ts'
import { openTables, type Tables } from '../../../runtime/tables.ts'
import { tempDirectory } from '../../support/temp.ts'
import { type Door, doorRecords, quiet, rememberingOutbox } from './door.ts'

/** Doors in a directory of their own, or in tables given. */
async function doors(effects: Record<string, Effect<Door>> = {}, given?: Tables) {
  const stack = new AsyncDisposableStack()
  const tables = given ?? stack.use(await openTables(stack.use(await tempDirectory()).path))
  const outbox = rememberingOutbox()
  const done: string[] = []
  const kept = stack.use(records({ tables, outbox, log: quiet }, doorRecords(done, effects)))
  return { tables, kept, done, told: outbox.told, [Symbol.asyncDispose]: () => stack.disposeAsync() }
}

test('a new record is stored in its first state, and what that asks for is carried out', async () => {
  await using house = await doors()
  expect(await house.kept.create('front', { colour: 'red' })).toEqual({
    id: 'front',
    value: 'closed',
    context: { colour: 'red', opened: 0 },
  })
  expect(house.done).toEqual(['hang'])
  expect(house.kept.get('front')?.value).toBe('closed')
})

test('an id is taken once', async () => {
  await using house = await doors()
  await house.kept.create('front', { colour: 'red' })
  await expect(house.kept.create('front', { colour: 'blue' })).rejects.toMatchObject({ code: 'already_exists' })
  expect(house.kept.get('front')?.context.colour).toBe('red')
})

test('effects are carried out in order, and what they answer is taken before the method resolves', async () => {
  await using house = await doors()
  await house.kept.create('front', { colour: 'red' })
  expect((await house.kept.send('front', { type: 'open', by: 'me' }, { trace: 'a-trace' })).value).toBe('open')
  expect(house.done).toEqual(['hang', 'turnKey by me', 'creak'])
  expect(house.told).toEqual([{ actor: 'door', fact: 'opened', entity: 'front', data: { id: 'front', colour: 'red' }, trace: 'a-trace' }])
})

test('an event the machine cannot take is refused and changes nothing', async () => {
  await using house = await doors()
  await house.kept.create('front', { colour: 'red' })
  await expect(house.kept.send('front', { type: 'close' })).rejects.toMatchObject({
    code: 'failed_precondition',
    message: 'close door front: it is closed',
  })
  expect(house.kept.can('front', { type: 'close' })).toBe(false)
  expect(house.kept.can('front', { type: 'open' })).toBe(true)
})

test('there is nothing to send to when there is no record', async () => {
  await using house = await doors()
  await expect(house.kept.send('back', { type: 'open' })).rejects.toMatchObject({ code: 'not_found' })
  expect(house.kept.get('back')).toBeUndefined()
  expect(house.kept.can('back', { type: 'open' })).toBe(false)
})

test('a record at its end is taken out once its effects are carried out', async () => {
  const seen: unknown[] = []
  await using house = await doors({ unhang: (record) => void seen.push(record.value, house.kept.get('front')?.value) })
  await house.kept.create('front', { colour: 'red' })
  expect((await house.kept.send('front', { type: 'remove' })).value).toBe('removed')
  expect(seen).toEqual(['removed', 'removed'])
  expect(house.kept.get('front')).toBeUndefined()
  expect(house.kept.list()).toEqual([])
})

test('what runs along is undone with the change, and a change it refuses did not happen', async () => {
  await using house = await doors()
  const index = house.tables.table<string>('index')
  const refuse = () => {
    index.put('front', 'there')
    throw new Failure('failed_precondition', 'not today')
  }
  await expect(house.kept.create('front', { colour: 'red' }, { also: refuse })).rejects.toMatchObject({ message: 'not today' })
  expect(house.kept.get('front')).toBeUndefined()
  expect(index.get('front')).toBeUndefined()
  expect(house.done).toEqual([])
  await house.kept.create('front', { colour: 'red' }, { also: (_, record) => index.put(record.id, record.context.colour) })
  expect(index.get('front')).toBe('red')
})

test('what runs along with every change runs with those that effects answer with too', async () => {
  await using directory = await tempDirectory()
  await using tables = await openTables(directory.path)
  const index = tables.table<string>('index')
  const init = { ...doorRecords([]), also: (_: Tables, record: { id: string; value: string }) => index.put(record.id, record.value) }
  await using kept = records({ tables, outbox: rememberingOutbox(), log: quiet }, init)
  await kept.create('front', { colour: 'red' })
  expect(index.get('front')).toBe('closed')
  await kept.send('front', { type: 'open' })
  expect(index.get('front')).toBe('open')
})

test('an effect that fails makes the method fail after the machine was told', async () => {
  await using house = await doors({ turnKey: () => Promise.reject(new Failure('permission_denied', 'turn the key: it is the wrong one')) })
  await house.kept.create('front', { colour: 'red' })
  await expect(house.kept.send('front', { type: 'open' })).rejects.toMatchObject({ code: 'permission_denied' })
  expect(house.kept.get('front')?.value).toBe('closed')
  expect(house.told).toEqual([])
})

test('an effect that fails where the machine has no answer is dropped, and the record goes on', async () => {
  await using house = await doors({ paint: () => Promise.reject(new Error('no brush')) })
  await house.kept.create('front', { colour: 'red' })
  await expect(house.kept.send('front', { type: 'paint', colour: 'blue' })).rejects.toMatchObject({ code: 'internal', message: 'no brush' })
  expect((await house.kept.send('front', { type: 'open' })).value).toBe('open')
})

test('an effect that fails at the end is kept, and tried again by the next change to that id', async () => {
  let stuck = true
  await using house = await doors({
    unhang: () => {
      if (stuck) throw new Failure('failed_precondition', 'unhang: somebody stands in it')
      return undefined
    },
  })
  await house.kept.create('front', { colour: 'red' })
  await expect(house.kept.send('front', { type: 'remove' })).rejects.toMatchObject({ code: 'failed_precondition' })
  expect(house.kept.get('front')?.value).toBe('removed')
  await expect(house.kept.create('front', { colour: 'blue' })).rejects.toMatchObject({ message: 'unhang: somebody stands in it' })
  stuck = false
  expect((await house.kept.create('front', { colour: 'blue' })).context.colour).toBe('blue')
})

test('changes to one record queue behind each other, those to another do not', async () => {
  const gate = Promise.withResolvers<void>()
  await using house = await doors({
    turnKey: async (record) => {
      if (record.id === 'front') await gate.promise
      return { type: 'opened' }
    },
  })
  await house.kept.create('front', { colour: 'red' })
  await house.kept.create('back', { colour: 'red' })
  const opened = house.kept.send('front', { type: 'open' })
  const closed = house.kept.send('front', { type: 'close' })
  expect((await house.kept.send('back', { type: 'open' })).value).toBe('open')
  expect(house.kept.get('front')?.value).toBe('opening')
  gate.resolve()
  expect((await opened).value).toBe('open')
  expect((await closed).value).toBe('closed')
})

test('gives up when told to: before the change nothing happens, while waiting in the queue neither', async () => {
  const gate = Promise.withResolvers<void>()
  await using house = await doors({
    turnKey: async () => {
      await gate.promise
      return { type: 'opened' }
    },
  })
  await house.kept.create('front', { colour: 'red' })
  await expect(house.kept.send('front', { type: 'open' }, { signal: AbortSignal.abort() })).rejects.toThrow()
  expect(house.kept.get('front')?.value).toBe('closed')
  const opened = house.kept.send('front', { type: 'open' })
  const giveUp = new AbortController()
  const closed = house.kept.send('front', { type: 'close' }, { signal: giveUp.signal })
  giveUp.abort()
  await expect(closed).rejects.toThrow()
  gate.resolve()
  expect((await opened).value).toBe('open')
})

test('gives up when told to: an effect at work sees it, and the machine is told', async () => {
  const giveUp = new AbortController()
  await using house = await doors({
    turnKey: (_record, _params, { signal }) => {
      giveUp.abort()
      signal.throwIfAborted()
      return { type: 'opened' }
    },
  })
  await house.kept.create('front', { colour: 'red' })
  await expect(house.kept.send('front', { type: 'open' }, { signal: giveUp.signal })).rejects.toMatchObject({ code: 'cancelled' })
  expect(house.kept.get('front')?.value).toBe('closed')
})

test('closing aborts the effect at work; the next run carries it out', async () => {
  await using directory = await tempDirectory()
  await using tables = await openTables(directory.path)
  const begun = Promise.withResolvers<void>()
  const first = await doors(
    {
      turnKey: (_record, _params, { signal }) => {
        begun.resolve()
        return new Promise((_, reject) => signal.addEventListener('abort', () => reject(signal.reason)))
      },
    },
    tables,
  )
  await first.kept.create('front', { colour: 'red' })
  const opened = expect(first.kept.send('front', { type: 'open', by: 'me' })).rejects.toMatchObject({ code: 'cancelled' })
  await begun.promise
  await first[Symbol.asyncDispose]()
  await opened
  await using second = await doors({}, tables)
  expect(second.kept.get('front')?.value).toBe('opening')
  await second.kept.resume()
  expect(second.done).toEqual(['turnKey by me', 'creak'])
  expect(second.kept.get('front')?.value).toBe('open')
})

test('lists in the order of ids, a page at a time', async () => {
  await using house = await doors()
  for (const id of ['c', 'a', 'b']) await house.kept.create(id, { colour: 'red' })
  expect(house.kept.list({ limit: 2 }).map(({ id }) => id)).toEqual(['a', 'b'])
  expect(house.kept.list({ after: 'b' }).map(({ id }) => id)).toEqual(['c'])
})

test('an effect that answers what cannot be taken is our fault, and said to be', async () => {
  await using house = await doors({ turnKey: () => ({ type: 'close' }) })
  await house.kept.create('front', { colour: 'red' })
  await expect(house.kept.send('front', { type: 'open' })).rejects.toMatchObject({ code: 'internal' })
  expect(house.kept.get('front')?.value).toBe('closed')
})

test('an action that is neither an effect nor an announcement, or both, or unknown, is refused at once', async () => {
  await using directory = await tempDirectory()
  await using tables = await openTables(directory.path)
  const components = { tables, outbox: rememberingOutbox(), log: quiet }
  const machine = setup({ actions: { ring: () => {} } }).createMachine({ entry: 'ring' })
  const init = { actor: 'bell', table: 'bell', machine, effects: {}, announcements: {} }
  const ring = () => undefined
  expect(() => records(components, init)).toThrow('ring is neither')
  expect(() => records(components, { ...init, effects: { ring }, announcements: { ring: () => ({ fact: 'rung', data: {} }) } })).toThrow(
    'ring is both',
  )
  expect(() => records(components, { ...init, effects: { ring, knock: ring } })).toThrow('knock is not')
})
