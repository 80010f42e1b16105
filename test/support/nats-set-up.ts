/** nats-servers started with the very files of ops/nats, in a directory as an administrator would have it. */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { cp, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { accountOf, type Tenant } from '../../ops/nats/accounts.ts'
import type { Bus } from '../../runtime/bus/bus.ts'
import { connectNats, type NatsOptions } from '../../runtime/bus/nats.ts'
import type { NatsAddress } from '../../runtime/bus/nats-address.ts'

/** A directory with our configuration files, and the accounts that were asked for. */
export interface SetUp extends AsyncDisposable {
  readonly directory: string
  /** Start a server with one of the files, and others beside it. */
  start(file: string, options?: StartOptions): Promise<Server>
  /** What `nats-server -t` says of a file: nothing when all is well. */
  check(file: string, options?: StartOptions): Promise<string>
}

export interface StartOptions {
  readonly env?: Readonly<Record<string, string>>
  /** more of our files, included after it */
  readonly beside?: readonly string[]
  /** variables that are not set */
  readonly without?: readonly string[]
}

export interface Server extends AsyncDisposable {
  /** `127.0.0.1:port` for clients */
  readonly at: string
  readonly url: string
  /** where servers at the edge dial, if they may */
  readonly leafAt: string
  /** Connect as a user, whose password is their name. Ended with the server. */
  connect(user: string, options?: NatsOptions & { address?: Partial<NatsAddress> }): Promise<Bus>
  /** what it has logged so far */
  readonly lines: readonly string[]
  /** Resolves when it has logged a line like this. */
  said(pattern: RegExp): Promise<void>
  kill(): Promise<void>
}

/** Put our files where a server finds them. A second tenant is included as `<account>.conf`. */
export async function setUpNats(tenant: Tenant, ...more: readonly Tenant[]): Promise<SetUp> {
  const directory = await mkdtemp(join(tmpdir(), 'gantry-nats-'))
  const files = new URL('../../ops/nats/', import.meta.url).pathname
  for (const name of await readdir(files)) if (name.endsWith('.conf')) await cp(join(files, name), join(directory, name))
  await writeFile(join(directory, 'gantry.conf'), accountOf(tenant))
  const others = more.map(({ account = '' }) => `${account.toLowerCase()}.conf`)
  for (const [index, name] of others.entries()) await writeFile(join(directory, name), accountOf(more[index] ?? {}))
  const includes = ['gantry.conf', ...others].map((name) => `  include "./${name}"`)
  if (others.length > 0) await writeFile(join(directory, 'accounts.conf'), ['accounts {', ...includes, '}'].join('\n'))
  const passwords = Object.assign({}, ...[tenant, ...more].map(passwordsOf)) as Record<string, string>
  const running = new Set<Server>()
  const prepared = async (file: string, { env = {}, beside = [], without = [] }: StartOptions) => {
    const name = env['NATS_NAME'] ?? file
    const store = join(directory, `store-${name}`)
    const whole = join(directory, `${name}-${beside.join('-')}.whole.conf`)
    await writeFile(whole, [file, ...beside].map((one) => `include "./${one}.conf"`).join('\n'))
    const listen = { NATS_LISTEN: '127.0.0.1:-1', NATS_LEAF_LISTEN: '127.0.0.1:-1' }
    const all = Object.entries({ NATS_NAME: name, NATS_STORE: store, ...listen, ...passwords, ...env })
    return { whole, env: Object.fromEntries(all.filter(([one]) => !without.includes(one))) }
  }
  return {
    directory,
    async start(file, options = {}) {
      const { whole, env } = await prepared(file, options)
      const server = await launch(whole, env)
      running.add(server)
      return server
    },
    async check(file, options = {}) {
      const { whole, env } = await prepared(file, options)
      const { status, stdout, stderr } = spawnSync('nats-server', ['-t', '-c', whole], {
        env: { PATH: process.env['PATH'], ...env },
        encoding: 'utf8',
      })
      return status === 0 ? '' : `${stdout}${stderr}`
    },
    async [Symbol.asyncDispose]() {
      await Promise.all([...running].map((server) => server[Symbol.asyncDispose]()))
      await rm(directory, { recursive: true, force: true })
    },
  }
}

/** Three servers with `cluster.conf` that know each other; resolves when they have agreed on who leads. */
export async function startCluster(nats: SetUp): Promise<Server[]> {
  const ports = await Promise.all([freePort(), freePort(), freePort()])
  const routes = JSON.stringify(ports.map((port) => `nats://route:secret@127.0.0.1:${port}`))
  const env = (port: number) => ({
    NATS_NAME: `s${port}`,
    NATS_CLUSTER_LISTEN: `127.0.0.1:${port}`,
    NATS_ROUTE_PASSWORD: 'secret',
    NATS_ROUTES: routes,
  })
  const servers = await Promise.all(ports.map((port) => nats.start('cluster', { env: env(port) })))
  await Promise.all(servers.map((server) => server.said(/JetStream cluster new metadata leader|new JetStream cluster metadata leader/)))
  return servers
}

/** A port of loopback nobody has at the moment. */
export async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address()
  server.close()
  await once(server, 'close')
  return typeof address === 'object' ? (address?.port ?? 0) : 0
}

/** Everybody's password is their name. */
function passwordsOf({ account = 'GANTRY', nodes = [], operators = [], observers = [], edges = [] }: Tenant): Record<string, string> {
  const users = [...nodes, ...operators, ...observers, ...edges].map((one) => one.split(/[=:]/)[0] ?? '')
  return Object.fromEntries(users.map((user) => [`${account}_${user}_PASSWORD`.replaceAll('-', '_').toUpperCase(), user]))
}

async function launch(config: string, env: Readonly<Record<string, string>>): Promise<Server> {
  const child = spawn('nats-server', ['-c', config], { stdio: ['ignore', 'ignore', 'pipe'], env: { PATH: process.env['PATH'], ...env } })
  const lines = linesOf(child)
  const { at, leafAt } = await listening(child, lines)
  const url = `nats://${at}`
  const buses: Bus[] = []
  const kill = async (): Promise<void> => {
    const ended = child.exitCode === null && child.signalCode === null ? once(child, 'exit') : undefined
    child.kill('SIGKILL')
    await ended
  }
  return {
    at,
    leafAt,
    url,
    kill,
    lines: lines.all,
    said: lines.said,
    async connect(user, { address, ...options } = {}) {
      const bus = await connectNats({ url, user, password: user, ...address }, options)
      buses.push(bus)
      return bus
    },
    async [Symbol.asyncDispose]() {
      await Promise.all(buses.map((bus) => bus[Symbol.asyncDispose]()))
      await kill()
    },
  }
}

/** Resolves when it is ready. */
async function listening(child: ChildProcess, lines: Lines): Promise<{ at: string; leafAt: string }> {
  const ended = once(child, 'close').then(() => Promise.reject(new Error(`nats-server did not start:\n${lines.all.join('\n')}`)))
  ended.catch(() => {})
  await Promise.race([lines.said(/Server is ready/), ended])
  const of = (kind: string) =>
    lines.all.map((line) => new RegExp(`Listening for ${kind} connections on (\\S+)$`).exec(line)?.[1]).find(Boolean) ?? ''
  return { at: of('client'), leafAt: of('leafnode') }
}

/** What a server has logged so far. */
interface Lines {
  readonly all: readonly string[]
  said(pattern: RegExp): Promise<void>
}

function linesOf(child: ChildProcess): Lines {
  const all: string[] = []
  const waiting = new Map<RegExp, PromiseWithResolvers<void>>()
  createInterface(child.stderr ?? process.stdin).on('line', (line) => {
    all.push(line)
    for (const [pattern, { resolve }] of waiting) if (pattern.test(line)) resolve()
  })
  return {
    all,
    said(pattern) {
      const said = Promise.withResolvers<void>()
      if (all.some((line) => pattern.test(line))) said.resolve()
      else waiting.set(pattern, said)
      return said.promise
    },
  }
}
