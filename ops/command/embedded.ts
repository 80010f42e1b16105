import { type ChildProcess, spawn } from 'node:child_process'
import { createInterface } from 'node:readline'
import { type Code, Failure, failures } from '../../messages/grammar/index.ts'
import { type Destination, destination } from './destination.ts'
import type { Globals } from './globals.ts'
import { accessFlags } from './nats-access.ts'

/** A node of one command. Disposing it stops it. */
export interface PrivateNode extends AsyncDisposable {
  readonly destination: Destination
}

/**
 * Run a node for one command only: an ordinary `gantry up` on the same root, which ends when told or when this process is gone.
 * Fails as that does.
 */
export async function startPrivateNode(options: Globals, { signal }: { signal: AbortSignal }): Promise<PrivateNode> {
  signal.throwIfAborted()
  const child = launch(options)
  const ended = new Promise<number>((resolve) => child.on('close', (code) => resolve(code ?? 1)))
  const stop = async () => {
    child.stdin?.end()
    await ended
  }
  try {
    await readiness(child, ended, signal)
    return { destination: await destination(options, process.env), [Symbol.asyncDispose]: stop }
  } catch (error) {
    await stop()
    throw error
  }
}

function launch({ nats, node, root, ...options }: Globals): ChildProcess {
  const main = new URL('../gantry/main.ts', import.meta.url).pathname
  const given = { '--nats': nats, '--node': node, '--root': root, ...accessFlags(options) }
  const flags = Object.entries(given).flatMap(([flag, value]) => (value ? [flag, value] : []))
  // of its own session: Ctrl-C is for the command, which then stops it
  return spawn(
    process.execPath,
    [...process.execArgv, main, 'up', '--until-eof', '--log', process.env['GANTRY_LOG'] ?? 'silent', ...flags],
    {
      stdio: ['pipe', 'pipe', 'pipe'],
      detached: true,
    },
  )
}

/** Resolves when the node says it is up; fails with what it complained of when it ends before. */
async function readiness(child: ChildProcess, ended: Promise<number>, signal: AbortSignal): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<void>()
  const giveUp = () => reject(signal.reason)
  signal.addEventListener('abort', giveUp)
  let complaint = ''
  if (child.stdout) createInterface({ input: child.stdout }).on('line', () => resolve())
  if (child.stderr)
    createInterface({ input: child.stderr }).on('line', (line) => {
      if (line.startsWith('gantry: ')) complaint = line.slice('gantry: '.length)
      else process.stderr.write(`${line}\n`)
    })
  void ended.then((exit) => reject(new Failure(codeOf(exit), complaint || `start a private node: it ended with exit code ${exit}`)))
  try {
    await promise
  } finally {
    signal.removeEventListener('abort', giveUp)
  }
}

/** The failure an exit code stands for. */
const codeOf = (exit: number): Code => (Object.keys(failures) as Code[]).find((code) => failures[code].exit === exit) ?? 'internal'
