/** A real node: `gantry up` as people run it, in a process of its own, on a directory of its own. */
import { type ChildProcess, type ChildProcessByStdio, spawn } from 'node:child_process'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import type { Readable, Writable } from 'node:stream'
import { text } from 'node:stream/consumers'
import type { Bus } from '../../runtime/bus/bus.ts'
import { connectNats } from '../../runtime/bus/nats.ts'

/** What a command said and how it ended. */
export interface Ran {
  readonly stdout: string
  readonly stderr: string
  readonly exitCode: number
}

export interface RunOptions {
  readonly input?: string | Uint8Array
  readonly env?: Readonly<Record<string, string>>
  /** what it is run by, such as `setpriv` and its options */
  readonly through?: readonly string[]
}

/** A node that is up. Disposing it stops it as SIGTERM does, and removes its root if it was made for it. */
export interface RunningNode extends AsyncDisposable {
  readonly root: string
  readonly name: string
  readonly pid: number
  /** What it says for people when it is ready. */
  readonly ready: string
  /** All it has logged so far. */
  readonly log: () => string
  /** Resolves when it has ended. */
  readonly ended: Promise<{ code: number | null; signal: NodeJS.Signals | null }>
  /** End it as SIGTERM does; its root stays. */
  stop(): Promise<void>
  /** End it as a crash does, its NATS server with it, as the kernel sees to; its root stays. */
  kill(): Promise<void>
  /** Run one of our commands against it. */
  run(program: Program, args: readonly string[], options?: RunOptions): Promise<Ran>
  /** A connection to its NATS server, as the commands make it. */
  connect(): Promise<Bus>
}

export type Program = 'gantry' | 'dist' | 'ctr'

export interface NodeInit {
  /** kept when the node is gone; a temporary one is made, and removed, if left out */
  readonly root?: string
  readonly name?: string
  /** more options of `gantry up` */
  readonly args?: readonly string[]
  readonly env?: Readonly<Record<string, string>>
  /** what it is run by, such as `unshare` and its options */
  readonly through?: readonly string[]
}

/** Start one; resolves when it says it is up. Fails with all it said when it ends before. */
export async function startNode({ root: given, name = 'n1', args = [], env = {}, through = [] }: NodeInit = {}): Promise<RunningNode> {
  const root = given ?? (await mkdtemp(join(tmpdir(), 'gantry-node-')))
  const [program = '', ...words] = [...through, command('gantry'), 'up', '--root', root, '--node', name, '--log', 'warn', ...args]
  const child = spawn(program, words, {
    stdio: ['ignore', 'pipe', 'pipe'],
    env: environment(env),
  })
  const said: string[] = []
  const ready = Promise.withResolvers<string>()
  createInterface({ input: child.stdout }).on('line', ready.resolve)
  createInterface({ input: child.stderr }).on('line', (line) => said.push(line))
  const ended = endOf(child)
  void ended.then(({ code }) => ready.reject(new Error(`the node ended with ${code}: ${said.join('\n')}`)))
  const node = { root, name, pid: child.pid ?? 0, ready: await ready.promise, ended, log: () => said.join('\n') }
  const end = async (signal: NodeJS.Signals) => {
    child.kill(signal)
    await ended
  }
  return {
    ...node,
    stop: () => end('SIGTERM'),
    kill: () => end('SIGKILL'),
    run: (program, words, options) => run(program, words, { ...options, env: { GANTRY_ROOT: root, ...options?.env } }),
    connect: () => connect(root),
    async [Symbol.asyncDispose]() {
      await end('SIGTERM')
      if (given === undefined) await rm(root, { recursive: true, force: true })
    },
  }
}

/** Run one of our programs to its end. */
export async function run(
  program: Program,
  args: readonly string[],
  { input = '', env = {}, through = [] }: RunOptions = {},
): Promise<Ran> {
  const { child, ran } = begin(program, args, { env, through })
  child.stdin.end(input)
  return await ran
}

/** One of our programs at work: its standard input is open, its output is being read. */
export interface Begun {
  readonly child: ChildProcessByStdio<Writable, Readable, Readable>
  readonly ran: Promise<Ran>
}

/** Begin to run one of our programs. */
export function begin(program: Program, args: readonly string[], { env = {}, through = [] }: Omit<RunOptions, 'input'> = {}): Begun {
  const [first = '', ...words] = [...through, command(program), ...args]
  const child = spawn(first, words, { stdio: ['pipe', 'pipe', 'pipe'], env: environment(env) })
  child.stdin.on('error', () => {}) // it may end without reading
  const end = async (): Promise<Ran> => {
    const [stdout, stderr, { code }] = await Promise.all([text(child.stdout), text(child.stderr), endOf(child)])
    return { stdout, stderr, exitCode: code ?? -1 }
  }
  return { child, ran: end() }
}

/** Where a program of ours starts. */
export const command = (program: Program): string => new URL(`../../ops/bin/${program}`, import.meta.url).pathname

/** None of what the caller's shell says about nodes reaches a test. */
const environment = (env: Readonly<Record<string, string>>): NodeJS.ProcessEnv => ({
  ...Object.fromEntries(Object.entries(process.env).filter(([name]) => !name.startsWith('GANTRY_'))),
  ...env,
})

const endOf = (child: ChildProcess): Promise<{ code: number | null; signal: NodeJS.Signals | null }> =>
  new Promise((resolve) => child.on('close', (code, signal) => resolve({ code, signal })))

async function connect(root: string): Promise<Bus> {
  const { url, credentials } = JSON.parse(await readFile(join(root, 'node.json'), 'utf8')) as { url: string; credentials?: string }
  const known = credentials === undefined ? {} : (JSON.parse(await readFile(credentials, 'utf8')) as { user: string; password: string })
  return await connectNats({ url, ...known }, { name: 'test' })
}
