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
import { connectNats, type NatsAddress, type NatsOptions } from '../../runtime/bus/nats.ts'

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
    const [name, store] = [`${file}-${running.size}`, join(directory, `store-${env['NATS_NAME'] ?? file}`)]
    const whole = join(directory, `${name}-${beside.length}.whole.conf`)
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
  const { at, leafAt } = await listening(child)
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
async function listening(child: ChildProcess): Promise<{ at: string; leafAt: string }> {
  let [at, leafAt] = ['', '']
  const said: string[] = []
  for await (const line of createInterface(child.stderr ?? process.stdin)) {
    said.push(line)
    at = /Listening for client connections on (\S+)$/.exec(line)?.[1] ?? at
    leafAt = /Listening for leafnode connections on (\S+)$/.exec(line)?.[1] ?? leafAt
    if (!line.includes('Server is ready')) continue
    child.stderr?.resume()
    return { at, leafAt }
  }
  throw new Error(`nats-server did not start:\n${said.join('\n')}`)
}
