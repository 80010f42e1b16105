/** Writers that are killed, and nodes that are, while `dist ingest` is at it. */
import { spawn } from 'node:child_process'
import { createHash, randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest'
import type { Client } from '../../../messages/grammar/index.ts'
import type { ingest, Status } from '../../../messages/ingest.ts'
import { livingAt } from '../../../runtime/alive.ts'
import type { Bus } from '../../../runtime/bus/bus.ts'
import { client } from '../../../runtime/bus/client.ts'
import { type NatsServer, startNats } from '../../support/nats.ts'
import { type Begun, begin, command, type Ran, type RunningNode, run, startNode } from '../../support/node.ts'
import { tempDirectory } from '../../support/temp.ts'

// a machine that is busy starts processes slowly
vi.setConfig({ testTimeout: 60_000 })

const scope = new AsyncDisposableStack()
let nats: NatsServer
let node: RunningNode
let bus: Bus
let ingests: Client<typeof ingest>

const serving = (root: string): Promise<RunningNode> =>
  startNode({ root, args: ['--nats', nats.url, '--only', 'node', 'content', 'ingest'], env: { GANTRY_SETTINGS: 'ingest.silence=3000' } })

beforeAll(async () => {
  nats = scope.use(await startNats({ jetstream: true }))
  const root = scope.use(await tempDirectory()).path
  node = await serving(root)
  scope.defer(() => node[Symbol.asyncDispose]())
  bus = await nats.connect()
  ingests = client<typeof ingest>(bus, { node: node.name, actor: 'ingest' })
})
afterAll(() => scope.disposeAsync())

const fresh = (size: number) => {
  const bytes = randomBytes(size)
  return { bytes, digest: `sha256:${createHash('sha256').update(bytes).digest('hex')}` }
}

const active = async (reference: string): Promise<Status | undefined> =>
  (await ingests.list({})).ingests.find((one) => one.reference === reference)
const reached = (reference: string, offset: number): Promise<void> =>
  expect.poll(async () => (await active(reference))?.offset, { timeout: 20_000 }).toBe(offset)
/** Resolves when nobody holds it any more. */
const closed = async (reference: string): Promise<void> => {
  for await (const { state } of ingests.follow({ reference })) if (state === 'closed') return
}

async function killed({ child, ran }: Begun): Promise<void> {
  child.kill('SIGKILL')
  await ran
}

const quiet = { stdout: '', stderr: '', exitCode: 0 }

const ways = [
  ['into the file it is lent', () => ({ GANTRY_ROOT: node.root })],
  ['over the bus', () => ({ GANTRY_NATS: nats.url, GANTRY_NODE: node.name })],
] as const

describe.each(ways)('a writer %s', (way, env) => {
  const dist = (args: readonly string[], input: string | Uint8Array = ''): Promise<Ran> => run('dist', args, { input, env: env() })
  const beginning = (...args: string[]): Begun => begin('dist', ['ingest', ...args], { env: env() })
  const key = (name: string) => `${name} ${way}`

  test('that is killed holds nothing, and the next goes on at the byte reached', async () => {
    const { bytes, digest } = fresh(1_500_000)
    const args = ['--expected-digest', digest, '--expected-size', String(bytes.length), key('killed')]
    const first = beginning(...args)
    first.child.stdin.write(bytes.subarray(0, 700_001))
    await reached(key('killed'), 700_001)
    const { holder, startedAt } = (await active(key('killed'))) ?? {}
    expect(holder?.writer).toEqual(way === ways[0][0] ? await livingAt(first.child.pid ?? 0) : 'elsewhere')
    const told = closed(key('killed'))
    await killed(first)
    await told
    expect(await active(key('killed'))).toMatchObject({ state: 'closed', offset: 700_001, startedAt })
    expect((await active(key('killed')))?.holder).toBeUndefined()
    const opened = Promise.withResolvers<unknown>()
    await using _open = bus.subscribe(`gantry.${node.name}.ingest.open`, () => opened.resolve(undefined))
    const second = beginning(...args)
    await opened.promise
    await expect.poll(async () => (await active(key('killed')))?.state).toBe('opened')
    expect(await active(key('killed'))).toMatchObject({ offset: 700_001, startedAt })
    second.child.stdin.end(bytes)
    expect(await second.ran).toEqual(quiet)
  })

  test('that waits goes on by itself when the other is killed', async () => {
    const { bytes, digest } = fresh(1000)
    const args = ['--expected-digest', digest, key('heir')]
    const first = beginning(...args)
    first.child.stdin.write(bytes.subarray(0, 500))
    await reached(key('heir'), 500)
    const waits = Promise.withResolvers<void>()
    await using _watching = bus.subscribe(`gantry.${node.name}.ingest.follow`, () => waits.resolve())
    const second = beginning(...args)
    second.child.stdin.end(bytes)
    await waits.promise
    await killed(first)
    expect(await second.ran).toEqual(quiet)
  })

  test('that lives is told of when its ingest is to be thrown away, which is done once it is killed', async () => {
    const first = beginning(key('abort'))
    first.child.stdin.write(fresh(500).bytes)
    await reached(key('abort'), 500)
    const refused = await dist(['abort', key('abort')])
    expect(refused).toMatchObject({ exitCode: 5, stdout: '' })
    expect(refused.stderr).toContain(
      way === ways[0][0] ? `process ${first.child.pid} on the machine of node` : 'a writer on another machine',
    )
    const told = way === ways[0][0] ? undefined : closed(key('abort'))
    await killed(first)
    await told
    expect(await dist(['abort', key('abort')])).toEqual({ stdout: `${key('abort')}\n`, stderr: '', exitCode: 0 })
  })
})

test('a writer of this machine that the node does not see sends its bytes', async () => {
  const { bytes, digest } = fresh(1_000_000)
  const words = ['--pid', '--fork', '--mount-proc', '--kill-child', command('dist'), 'ingest', '--expected-digest', digest, 'unseen']
  const child = spawn('unshare', words, { stdio: ['pipe', 'ignore', 'inherit'], env: { ...process.env, GANTRY_ROOT: node.root } })
  const over = once(child, 'exit')
  child.stdin.write(bytes.subarray(0, 500_000))
  await reached('unseen', 500_000)
  expect((await active('unseen'))?.holder?.writer).toBe('elsewhere')
  child.stdin.end(bytes.subarray(500_000))
  expect(await over).toEqual([0, null])
})

describe('a writer over the bus', () => {
  const elsewhere = (...args: string[]): Begun =>
    begin('dist', ['ingest', ...args], { env: { GANTRY_NATS: nats.url, GANTRY_NODE: node.name } })

  test('that has nothing to write for now says that it lives', async () => {
    const { bytes, digest } = fresh(1000)
    const { child, ran } = elsewhere('--expected-digest', digest, 'idle')
    child.stdin.write(bytes.subarray(0, 500))
    await reached('idle', 500)
    const enough = Promise.withResolvers<void>()
    let heard = 0
    // a third of the silence that is borne lies between two
    await using _watching = bus.subscribe(`gantry.${node.name}.ingest.hold`, () => void (++heard === 5 && enough.resolve()))
    await enough.promise
    expect(await active('idle')).toMatchObject({ state: 'receiving', holder: { writer: 'elsewhere' } })
    child.stdin.end(bytes.subarray(500))
    expect(await ran).toEqual(quiet)
  })

  test('that was taken for dead goes on if nobody has come in between', async () => {
    const { bytes, digest } = fresh(1000)
    const { child, ran } = elsewhere('--expected-digest', digest, 'asleep')
    child.stdin.write(bytes.subarray(0, 500))
    await reached('asleep', 500)
    child.kill('SIGSTOP')
    await closed('asleep')
    child.kill('SIGCONT')
    child.stdin.end(bytes.subarray(500))
    expect(await ran).toEqual(quiet)
  })
})

describe.each([['is killed'], ['is stopped']] as const)('a node that %s and is started again', (how) => {
  test.for(ways)('has what is written %s gone on with', async ([way, env]) => {
    const reference = `${how} ${way}`
    const { bytes, digest } = fresh(6_000_000)
    const args = ['ingest', '--expected-digest', digest, '--expected-size', String(bytes.length), reference]
    const { child, ran } = begin('dist', args, { env: env() })
    child.stdin.write(bytes.subarray(0, 2_000_000))
    await reached(reference, 2_000_000)
    if (how === 'is killed') await node.kill()
    else await node.stop()
    child.stdin.write(bytes.subarray(2_000_000, 4_000_000))
    node = await serving(node.root)
    child.stdin.end(bytes.subarray(4_000_000))
    expect(await ran).toEqual(quiet)
  })
})
