import { once } from 'node:events'
import { mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { createServer, type Server as TcpServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { type Server, type ServerInit, startServer } from '../../../ops/node/nats/server.ts'
import { connectNats } from '../../../runtime/bus/nats.ts'
import { noLog } from '../../../runtime/no-log.ts'

async function aRoot(): Promise<{ root: string } & AsyncDisposable> {
  const root = await mkdtemp(join(tmpdir(), 'gantry-nats-'))
  return { root, [Symbol.asyncDispose]: () => rm(root, { recursive: true }) }
}

const start = (root: string, init: Partial<ServerInit> = {}): Promise<Server> =>
  startServer({ root, node: 'n1', port: 0, path: process.env['PATH'], log: noLog, ...init })

/** A port of 127.0.0.1 that somebody else has. */
async function takenPort(): Promise<{ port: number } & AsyncDisposable> {
  const server: TcpServer = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address()
  return {
    port: typeof address === 'object' ? (address?.port ?? 0) : 0,
    [Symbol.asyncDispose]: () => new Promise((done) => server.close(() => done())),
  }
}

test('a server of ones own takes only who knows its password', async () => {
  await using here = await aRoot()
  await using server = await start(here.root)
  await expect(connectNats({ url: server.address.url })).rejects.toMatchObject({ code: 'unauthenticated' })
  await using bus = await connectNats(server.address)
  await bus.flush()
})

test('it listens on loopback only, and its files are for the owner only', async () => {
  await using here = await aRoot()
  await using server = await start(here.root)
  expect(server.address.url).toMatch(/^nats:\/\/127\.0\.0\.1:\d+$/)
  for (const file of ['credentials', 'server.conf']) expect((await stat(join(here.root, 'nats', file))).mode & 0o777).toBe(0o600)
  expect((await stat(join(here.root, 'nats'))).mode & 0o777).toBe(0o700)
})

test('it has JetStream', async () => {
  await using here = await aRoot()
  await using server = await start(here.root)
  await using bus = await connectNats(server.address)
  const { payload } = await bus.request('$JS.API.INFO', { headers: {}, payload: new Uint8Array() }, { timeoutMs: 5000 })
  expect(JSON.parse(Buffer.from(payload).toString())).not.toHaveProperty('error')
})

test('password and port stay the same from one start to the next', async () => {
  await using here = await aRoot()
  const first = await start(here.root)
  await first[Symbol.asyncDispose]()
  await using second = await start(here.root)
  expect(second.address).toEqual(first.address)
})

test('the port of last time having been taken, another one does', async () => {
  await using here = await aRoot()
  await (await start(here.root))[Symbol.asyncDispose]()
  await using taken = await takenPort()
  const running = join(here.root, 'nats', 'running.json')
  await writeFile(running, JSON.stringify({ pid: 1, port: taken.port }))
  await using server = await start(here.root)
  expect(server.address.url).not.toContain(String(taken.port))
})

test('a port that was asked for and is taken is a failure that names it', async () => {
  await using here = await aRoot()
  await using taken = await takenPort()
  await expect(start(here.root, { port: taken.port })).rejects.toMatchObject({
    code: 'already_exists',
    message: `start nats-server on 127.0.0.1:${taken.port}: the port is in use; choose another with --nats-port`,
  })
})

test('it is started again, on the same port, when it dies', async () => {
  await using here = await aRoot()
  await using server = await start(here.root)
  await using bus = await connectNats(server.address)
  const back = new Promise((resolve) => bus.onStatus((status) => status === 'connected' && resolve(status)))
  const { pid } = server
  process.kill(pid, 'SIGKILL')
  await back
  expect(server.pid).not.toBe(pid)
})

test('one that nobody stopped is ended before another has its store', async () => {
  await using here = await aRoot()
  await using orphan = await start(here.root)
  const { pid } = orphan
  await using server = await start(here.root)
  expect(server.pid).not.toBe(pid)
  await expect(readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => '')).resolves.toBe('')
})

test('stopped, it is gone', async () => {
  await using here = await aRoot()
  const server = await start(here.root)
  const { pid } = server
  await server[Symbol.asyncDispose]()
  expect(() => process.kill(pid, 0)).toThrow(/ESRCH/)
})
