import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { z } from 'zod'
import { event } from '../../../messages/grammar/index.ts'
import { durably } from '../../../runtime/bus/durable.ts'
import { keepEvents, recall } from '../../../runtime/bus/stream.ts'
import { openOutbox } from '../../../runtime/records/outbox.ts'
import { records } from '../../../runtime/records/records.ts'
import { openTables } from '../../../runtime/tables.ts'
import { startNats } from '../../support/nats.ts'
import { tempDirectory } from '../../support/temp.ts'
import { doorRecords, quiet, rememberingOutbox } from './door.ts'

/** Another process, gone with the test. */
function run(file: string, ...args: string[]): ChildProcess {
  const execArgv = ['--disable-warning=ExperimentalWarning']
  const child = fork(join(import.meta.dirname, file), args, { execArgv, stdio: ['ignore', 'inherit', 'inherit', 'ipc'] })
  onTestFinished(() => void child.kill('SIGKILL'))
  return child
}

/** Let a process open a door and die on the way; answers what is left of it, carried on with. */
async function carriedOn(what: 'before' | 'after' | 'next' | 'end') {
  await using directory = await tempDirectory()
  const meta = join(directory.path, 'meta')
  const notes = join(directory.path, 'notes')
  expect(await once(run('crash.process.ts', meta, notes, what), 'exit')).toEqual([null, 'SIGKILL'])
  await using tables = await openTables(meta)
  const outbox = rememberingOutbox()
  const done: string[] = []
  await using doors = records({ tables, outbox, log: quiet }, doorRecords(done))
  const left = doors.get('front')?.value
  await doors.resume()
  const turned = await readFile(notes, 'utf8').catch(() => '')
  const told = Array.from(tables.table('told').range(), ({ key }) => key)
  return { left, done, turned, now: doors.get('front')?.value, told: [...told, ...outbox.told.map(({ entity }) => entity)] }
}

test('killed before an effect did anything: it is carried out at the next start, and what it causes', async () => {
  expect(await carriedOn('before')).toEqual({
    left: 'opening',
    done: ['turnKey by nobody', 'creak'],
    turned: '',
    now: 'open',
    told: ['front'],
  })
})

test('killed after an effect, before that was written: it is repeated', async () => {
  expect(await carriedOn('after')).toEqual({
    left: 'opening',
    done: ['turnKey by nobody', 'creak'],
    turned: 'turned\n',
    now: 'open',
    told: ['front'],
  })
})

test('killed at the second effect: the first is not repeated, and what was announced is not announced again', async () => {
  expect(await carriedOn('next')).toEqual({ left: 'open', done: ['creak'], turned: 'turned\n', now: 'open', told: ['front'] })
})

test('killed at the end: the end is carried out, and the record taken out', async () => {
  expect(await carriedOn('end')).toEqual({ left: 'removed', done: ['unhang'], turned: '', now: undefined, told: [] })
})

test('what a living process is at is left to it', async () => {
  await using directory = await tempDirectory()
  await using tables = await openTables(directory.path)
  const pending = [{ type: 'turnKey', params: { by: 'another' } }]
  const stat = await readFile(`/proc/${process.ppid}/stat`, 'utf8')
  const started = stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19]
  const boot = (await readFile('/proc/sys/kernel/random/boot_id', 'utf8')).trim()
  const held = { value: 'opening', context: { colour: 'red', opened: 0 }, pending, holder: { pid: process.ppid, started, boot } }
  await tables.transaction(() => tables.table('door').put('front', held))
  const done: string[] = []
  await using doors = records({ tables, outbox: rememberingOutbox(), log: quiet }, doorRecords(done))
  await doors.resume()
  await expect(doors.send('front', { type: 'opened' })).rejects.toMatchObject({ code: 'unavailable' })
  expect(done).toEqual([])
  expect(doors.get('front')?.value).toBe('opening')
})

const door = { opened: event('A door was opened.', z.object({ entity: z.string(), n: z.int() }), { entity: 'entity' }) }

test('killed again and again between commit and publish: no fact is lost, none told twice, none of what did not happen, and order stands', async () => {
  await using directory = await tempDirectory()
  await using nats = await startNats({ jetstream: true })
  const bus = await nats.connect()
  await keepEvents(bus, { protocols: { door } })
  for (const [good, bad] of [
    [1, 'unsent'],
    [7, 'unanswered'],
    [40, 'unsent'],
    [3, 'unanswered'],
  ] as const) {
    const child = run('outbox.process.ts', directory.path, nats.url, String(good), bad)
    await once(child, 'message')
    child.kill('SIGKILL')
    await once(child, 'exit')
  }
  await using tables = await openTables(directory.path)
  await using outbox = openOutbox({ tables, name: 'main', node: 'n1', bus, log: quiet, publish: durably(bus) })
  await outbox.empty()

  const told: { id: string; entity: unknown; n: unknown }[] = []
  for await (const { id, data } of recall(bus)) told.push({ id, entity: data['entity'], n: data['n'] })
  expect(new Set(told.map(({ id }) => id)).size).toBe(told.length)
  for (const entity of ['front', 'back']) {
    const happened = tables.table<number>('counted').get(entity) ?? 0
    expect(happened).toBeGreaterThan(10)
    expect(told.filter((one) => one.entity === entity).map(({ n }) => n)).toEqual(Array.from({ length: happened }, (_, n) => n + 1))
  }
})

test('while the server is away facts wait; when it is back they are told, each once, in order', async () => {
  await using directory = await tempDirectory()
  await using nats = await startNats({ jetstream: true })
  const bus = await nats.connect()
  await keepEvents(bus, { protocols: { door } })
  await using tables = await openTables(directory.path)
  await using outbox = openOutbox({ tables, name: 'main', node: 'n1', bus, log: quiet, publish: durably(bus) })
  const tell = (n: number) =>
    tables.transaction(() => outbox.put({ actor: 'door', fact: 'opened', entity: 'front', data: { entity: 'front', n } }))
  await tell(1)
  await outbox.empty()
  await nats.kill()
  for (let n = 2; n <= 20; n++) await tell(n)
  await nats.restart()
  await outbox.empty()
  const told: unknown[] = []
  for await (const { data } of recall(bus)) told.push(data['n'])
  expect(told).toEqual(Array.from({ length: 20 }, (_, n) => n + 1))
})
