import { mkdtemp, readFile, rm, stat } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import type { node } from '../../../messages/node.ts'
import { client } from '../../../runtime/bus/client.ts'
import { listen } from '../../../runtime/bus/listen.ts'
import { startNats } from '../../support/nats.ts'
import { run, startNode } from '../../support/node.ts'

const only = ['--only', 'node', 'image']

async function aRoot(): Promise<{ root: string } & AsyncDisposable> {
  const root = await mkdtemp(join(tmpdir(), 'gantry-root-'))
  return { root, [Symbol.asyncDispose]: () => rm(root, { recursive: true, force: true }) }
}

const isThere = (path: string): Promise<boolean> =>
  stat(path).then(
    () => true,
    () => false,
  )

test('a node says in one line that it is up, and answers who it is', async () => {
  await using up = await startNode({ args: only })
  expect(up.ready).toMatch(/^gantry: node n1 is up: root .* own NATS server nats:\/\/127\.0\.0\.1:\d+, pid \d+$/)
  await using bus = await up.connect()
  expect(await client<typeof node>(bus, { node: 'n1', actor: 'node' }).info({})).toMatchObject({ node: 'n1', pid: up.pid, root: up.root })
})

test('its root is for the owner only', async () => {
  await using up = await startNode({ args: only })
  expect((await stat(up.root)).mode & 0o777).toBe(0o700)
})

test('its health is an answer of every thread', async () => {
  await using up = await startNode({ args: ['--only', 'node', 'content', 'unpack', '--unpack-threads', '2'] })
  await using bus = await up.connect()
  const { threads } = await client<typeof node>(bus, { node: 'n1', actor: 'node' }).health({})
  expect(threads.map(({ name }) => name).sort()).toEqual(['content', 'unpack-0', 'unpack-1'])
})

test('SIGTERM ends it cleanly: nothing of it is left, and it tells that it is down', async () => {
  await using here = await aRoot()
  await using nats = await startNats({ jetstream: true })
  await using bus = await nats.connect()
  await using heard = listen<typeof node>(bus, { node: 'n1', actor: 'node' })
  await heard.ready
  const up = await startNode({ root: here.root, args: [...only, '--nats', nats.url] })
  await up[Symbol.asyncDispose]()
  expect(await up.ended).toEqual({ code: 0, signal: null })
  const facts: string[] = []
  for await (const { type } of heard) if (facts.push(type) === 2) break
  expect(facts).toEqual(['node.up', 'node.down'])
  expect(await isThere(join(here.root, 'node.json'))).toBe(false)
})

test('a second node on the same root is refused in one line that names the first', async () => {
  await using up = await startNode({ args: only })
  const second = await run('gantry', ['up', '--root', up.root, '--node', 'n2'])
  expect(second).toEqual({
    stdout: '',
    stderr: `gantry: start node n2 on ${up.root}: node n1, pid ${up.pid}, runs there already\n`,
    exitCode: 5,
  })
})

test('after kill -9 the next one has root, store and port again, and the server of the first is gone', async () => {
  await using here = await aRoot()
  const first = await startNode({ root: here.root, args: only })
  const { url } = JSON.parse(await readFile(join(here.root, 'node.json'), 'utf8')) as { url: string }
  const server = JSON.parse(await readFile(join(here.root, 'nats', 'running.json'), 'utf8')) as { pid: number }
  process.kill(first.pid, 'SIGKILL')
  await first.ended
  expect(await run('dist', ['images', '--root', here.root])).toMatchObject({ exitCode: 10, stderr: expect.stringContaining('gantry up') })
  await using second = await startNode({ root: here.root, args: only })
  expect(second.ready).toContain(url)
  await expect(readFile(`/proc/${server.pid}/cmdline`, 'utf8').catch(() => '')).resolves.toBe('')
  expect(await second.run('dist', ['images'])).toEqual({ stdout: '', stderr: '', exitCode: 0 })
})

test('without nats-server, what to install is said', async () => {
  await using here = await aRoot()
  const { findProgram } = await import('../../../ops/node/nats/find.ts')
  const { runServer } = await import('../../../ops/node/nats/process.ts')
  const { noLog } = await import('../../../runtime/no-log.ts')
  expect(await findProgram('nats-server', { path: '' })).toBeDefined()
  const starting = runServer({ config: join(here.root, 'x'), lock: 0, log: noLog, find: async () => undefined })
  await expect(starting).rejects.toMatchObject({
    code: 'failed_precondition',
    message: expect.stringMatching(/apt install nats-server.*--nats URL/),
  })
})

test('a port that is taken is one line', async () => {
  await using nats = await startNats()
  await using here = await aRoot()
  const port = new URL(nats.url).port
  expect(await run('gantry', ['up', '--root', here.root, '--nats-port', port, '--log', 'silent'])).toEqual({
    stdout: '',
    stderr: `gantry: start nats-server on 127.0.0.1:${port}: the port is in use; choose another with --nats-port\n`,
    exitCode: 4,
  })
})

test('a NATS system that is not there is one line', async () => {
  await using here = await aRoot()
  const { exitCode, stderr } = await run('gantry', ['up', '--root', here.root, '--nats', 'nats://127.0.0.1:1', '--log', 'silent'])
  expect({ exitCode, lines: stderr.trimEnd().split('\n').length }).toEqual({ exitCode: 10, lines: 1 })
})

test('a root that cannot be made is one line', async () => {
  expect(await run('gantry', ['up', '--root', '/dev/null/none', '--log', 'silent'])).toMatchObject({
    exitCode: 5,
    stderr: expect.stringMatching(/^gantry: make the root directory \/dev\/null\/none: .*\n$/),
  })
})

test('with its own server killed it goes on: the server is started again, and it answers', async () => {
  await using up = await startNode({ args: only })
  await using bus = await up.connect()
  const back = new Promise((resolve) => bus.onStatus((status) => status === 'connected' && resolve(status)))
  const { pid } = JSON.parse(await readFile(join(up.root, 'nats', 'running.json'), 'utf8')) as { pid: number }
  process.kill(pid, 'SIGKILL')
  await back
  await expect.poll(async () => (await up.run('dist', ['images'])).exitCode, { timeout: 10_000 }).toBe(0)
})
