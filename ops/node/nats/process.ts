import { type ChildProcess, spawn } from 'node:child_process'
import { createInterface } from 'node:readline'
import { Failure, type Log } from '../../../messages/grammar/index.ts'

/** A nats-server that is ready. Disposing it stops it. */
export interface ServerProcess extends AsyncDisposable {
  readonly pid: number
  readonly port: number
  /** Resolves with its last words when it has ended. */
  readonly ended: Promise<string>
}

export interface ServerProcessInit {
  readonly config: string
  /** descriptor of the lock it holds while it lives */
  readonly lock: number
  /** where a program is, if it is anywhere */
  readonly find: (program: string) => Promise<string | undefined>
  readonly log: Log
}

/** Run nats-server; resolves once it says it is ready. Fails with unavailable, for the reason it gave. */
export async function runServer({ config, lock, find, log }: ServerProcessInit): Promise<ServerProcess> {
  const child = await launch(config, lock, find)
  const said = listen(child, log)
  const port = await said.ready
  const stop = async () => {
    child.kill('SIGTERM')
    const force = setTimeout(() => child.kill('SIGKILL'), 5000)
    await said.ended
    clearTimeout(force)
  }
  return { pid: child.pid ?? 0, port, ended: said.ended, [Symbol.asyncDispose]: stop }
}

/** Of its own session, so that Ctrl-C reaches it only through us; ended by the kernel when this node is killed, where setpriv is there to ask for that. */
async function launch(config: string, lock: number, find: ServerProcessInit['find']): Promise<ChildProcess> {
  const server = await find('nats-server')
  if (server === undefined) {
    throw new Failure(
      'failed_precondition',
      'start nats-server: not found; install it (Debian: apt install nats-server), or join a running system with --nats URL',
    )
  }
  const tether = await find('setpriv')
  const command = [...(tether ? [tether, '--pdeathsig', 'TERM'] : []), server, '--config', config]
  return spawn(command[0] ?? server, command.slice(1), {
    stdio: ['ignore', 'ignore', 'pipe', lock],
    detached: true,
    // the server keeps what it likes of freed memory; it needs little
    env: { ...process.env, GOMEMLIMIT: '64MiB' },
  })
}

/** Read what it says for as long as it lives: first whether it is ready and where, later what an operator should know. */
function listen(child: ChildProcess, log: Log): { ready: Promise<number>; ended: Promise<string> } {
  const ready = Promise.withResolvers<number>()
  const ended = Promise.withResolvers<string>()
  let port = 0
  let last = ''
  const lines = createInterface({ input: child.stderr ?? process.stdin })
  lines.on('line', (line) => {
    const { level, text } = parse(line)
    if (level === 'FTL' || level === 'ERR') last = text
    port = Number(/^Listening for client connections on .*:(\d+)$/.exec(text)?.[1] ?? port)
    if (text === 'Server is ready') ready.resolve(port)
    if (level === 'ERR' || level === 'FTL') log.warn({ server: text }, 'nats-server complains')
    else log.debug({ server: text }, 'nats-server')
  })
  child.on('error', (error) => {
    last = error.message
    ended.resolve(last)
  })
  // close comes when it has ended and all it said is read
  child.on('close', (code, signal) => ended.resolve(last || `it ended with ${signal ?? `exit code ${code}`}`))
  void ended.promise.then((words) => ready.reject(refusal(words)))
  return { ready: ready.promise, ended: ended.promise }
}

/** `[pid] date time [LVL] text`, or anything else. */
function parse(line: string): { level: string; text: string } {
  const [, level = 'ERR', text = line] = /^\[\d+\] \S+ \S+ \[(\w{3})\] (.*)$/.exec(line) ?? []
  return { level, text: text.trim() }
}

function refusal(words: string): Failure {
  const taken = /^Error listening on port: (\S+), .*address already in use/.exec(words)?.[1]
  if (taken) return new Failure('already_exists', `start nats-server on ${taken}: the port is in use; choose another with --nats-port`)
  return new Failure('unavailable', `start nats-server: ${words}`)
}
