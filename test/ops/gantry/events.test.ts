import { createInterface } from 'node:readline'
import { afterAll, beforeAll, expect, test, vi } from 'vitest'
import type { Protocol } from '../../../messages/grammar/index.ts'
import type { lease } from '../../../messages/lease.ts'
import type { node as nodeProtocol } from '../../../messages/node.ts'
import type { tag } from '../../../messages/tag.ts'
import { busyboxImage } from '../../../ops/lab/images.ts'
import type { Bus } from '../../../runtime/bus/bus.ts'
import { client } from '../../../runtime/bus/client.ts'
import type { Kept } from '../../../runtime/bus/stream.ts'
import { complaint } from '../../support/complaint.ts'
import { startHostileRegistry } from '../../support/hostile-registry.ts'
import { begin, type RunningNode, startNode } from '../../support/node.ts'
import { serveImage } from '../../support/served-image.ts'

// a machine that is busy starts processes slowly
vi.setConfig({ testTimeout: 60_000 })

const scope = new AsyncDisposableStack()
let node: RunningNode
let reference: string
let bus: Bus

const asked = <P extends Protocol>(actor: string) => client<P>(bus, { node: node.name, actor })
const leases = () => asked<typeof lease>('lease')

beforeAll(async () => {
  const registry = scope.use(await startHostileRegistry())
  node = scope.use(await startNode())
  reference = serveImage(registry, 'told', await busyboxImage())
  await said('dist', 'pull', reference)
  bus = scope.use(await node.connect())
  await asked<typeof tag>('tag').share({ name: reference })
  for (const undo of [false, true]) await asked<typeof nodeProtocol>('node').drain({ undo })
  for (const id of ['one', 'two']) await leases().create({ id })
  await leases().remove({ id: 'one' })
})
afterAll(() => scope.disposeAsync())

async function said(program: 'gantry' | 'dist' | 'ctr', ...args: string[]): Promise<string> {
  const { stdout, stderr, exitCode } = await node.run(program, args)
  expect({ args, stderr, exitCode }).toEqual({ args, stderr: '', exitCode: 0 })
  return stdout.trimEnd()
}

/** A program reads the lines of a pipe as JSON. */
const events = async (...args: string[]): Promise<Kept[]> =>
  (await said('gantry', 'events', ...args)).split('\n').map((line) => JSON.parse(line))
const typesOf = (events: readonly Kept[]): string[] => events.map(({ type }) => type)
const settled = (last: string) =>
  expect.poll(async () => typesOf(await events('--no-follow')), { timeout: 20_000, interval: 500 }).toContain(last)

test('what is kept is shown by patterns, each line JSON in a pipe, with its place in the stream', async () => {
  await settled('lease.removed')
  const all = await events('--no-follow')
  expect(all.map(({ seq }) => seq)).toEqual(all.map((_, n) => n + 1))
  expect(all.every(({ specversion, source }) => specversion === '1.0' && source === node.name)).toBe(true)
  const of = (expression: RegExp) => all.filter(({ type }) => expression.test(type))
  expect(await events('image.>', 'snapshot.>', '--since', '1h', '--no-follow', '--json')).toEqual(of(/^(image|snapshot)\./))
  expect(typesOf(of(/^(image|snapshot)\./))).toEqual(expect.arrayContaining(['image.created', 'snapshot.prepared', 'snapshot.committed']))
  expect(await events('*.removed', '--actor', 'tag', '--no-follow')).toEqual(of(/\.removed$|^tag\./))
  expect(await events('--from-seq', String(all.length - 1), '--no-follow')).toEqual(all.slice(-2))
  expect(await events('--since', all[0]?.time ?? '', '--no-follow')).toHaveLength(all.length)
})

test('what swarm, tag and node tell is kept', async () => {
  await settled('lease.removed')
  const kept = await events('swarm.>', 'tag.>', 'node.>', '--no-follow')
  expect([...new Set(typesOf(kept))].toSorted()).toEqual(['node.draining', 'node.up', 'swarm.brought', 'tag.shared'])
  expect(kept.find(({ type }) => type === 'tag.shared')).toMatchObject({ subject: reference, data: { name: reference } })
  expect(kept.filter(({ type }) => type.startsWith('node.')).map(({ type }) => type)).toEqual(['node.up', 'node.draining', 'node.up'])
})

test('all of one thing is shown, and of each thing the newest', async () => {
  await settled('lease.removed')
  const one = await events('lease.>', '--entity', 'one', '--no-follow')
  expect(typesOf(one)).toEqual(['lease.created', 'lease.removed'])
  const last = (await events('lease.>', 'node.*', '--last', '--no-follow')).filter(({ subject = '' }) =>
    ['one', 'two', node.name].includes(subject),
  )
  expect(last.map(({ type, subject }) => `${type} ${subject}`)).toEqual(['node.up n1', 'lease.created two', 'lease.removed one'])
})

test('what was kept is followed by what happens, until stopped', async () => {
  await settled('lease.removed')
  const { child, ran } = begin('gantry', ['events', 'lease.*', '--entity', 'one', '--root', node.root])
  const types: string[] = []
  for await (const line of createInterface({ input: child.stdout })) {
    types.push((JSON.parse(line) as Kept).type)
    if (types.length === 2) for (const verb of ['create', 'remove'] as const) await leases()[verb]({ id: 'one' })
    if (types.length === 4) break
  }
  child.kill('SIGINT')
  expect(types).toEqual(['lease.created', 'lease.removed', 'lease.created', 'lease.removed'])
  expect(await ran).toMatchObject({ exitCode: 12 })
})

test('without being asked for what is kept, what happens is shown as it happens, progress too, by the same patterns', async () => {
  const { child, ran } = begin('gantry', ['events', 'ingest.*', 'lease.>', '--root', node.root])
  const stop = new AbortController()
  const telling = (async () => {
    while (!stop.signal.aborted) for (const verb of ['create', 'remove'] as const) await leases()[verb]({ id: 'three' })
  })()
  for await (const line of createInterface({ input: child.stdout })) {
    expect(JSON.parse(line)).toMatchObject({ type: expect.stringMatching(/^lease\./), subject: 'three' })
    expect(JSON.parse(line)).not.toHaveProperty('seq')
    break
  }
  stop.abort()
  await telling
  child.kill('SIGINT')
  expect(await ran).toMatchObject({ exitCode: 12 })
})

test('what cannot be meant is one line', async () => {
  for (const pattern of ['image', 'a.b.c']) complaint(await node.run('gantry', ['events', '--no-follow', pattern]), 'invalid_argument')
  for (const option of [
    ['--from-seq', '0'],
    ['--since', 'yesterday'],
    ['--since', '2026-99-99'],
  ])
    expect(await node.run('gantry', ['events', ...option])).toMatchObject({
      exitCode: 2,
      stderr: expect.stringMatching(/^gantry: .* is wanted.*\n$/),
    })
})
