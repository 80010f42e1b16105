/** A real nats-server of one's own, on a port nobody else has. */
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { readdirSync, readFileSync } from 'node:fs'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import type { Bus } from '../../runtime/bus/bus.ts'
import { connectNats, type NatsOptions } from '../../runtime/bus/nats.ts'

export interface NatsServer extends AsyncDisposable {
  readonly url: string
  /** A connection, ended with the server. */
  connect(options?: NatsOptions): Promise<Bus>
  /** End it as a crash would; resolves once it is gone. */
  kill(): Promise<void>
  /** Start it again, on the same port and with the same store. */
  restart(): Promise<void>
  /** Stop it from doing anything, its connections staying open; when this returns, all its threads have stopped. */
  freeze(): void
  thaw(): void
}

export interface NatsServerInit {
  readonly jetstream?: boolean
  /** lines of the server's configuration */
  readonly config?: string
}

/** Start a nats-server on loopback: `await using nats = await startNats()`. */
export async function startNats(init: NatsServerInit = {}): Promise<NatsServer> {
  const directory = await mkdtemp(join(tmpdir(), 'gantry-nats-'))
  const config = join(directory, 'nats.conf')
  await writeFile(config, [init.config ?? '', init.jetstream ? `jetstream { store_dir: ${JSON.stringify(directory)} }` : ''].join('\n'))
  const buses: Bus[] = []
  let running = await launch(config, '-1')
  const { port } = running
  const end = async (): Promise<void> => {
    const ended = running.child.exitCode === null && running.child.signalCode === null ? once(running.child, 'exit') : undefined
    running.child.kill('SIGKILL')
    await ended
  }
  const url = `nats://127.0.0.1:${port}`
  return {
    url,
    async connect(options = {}) {
      const bus = await connectNats({ url }, options)
      buses.push(bus)
      return bus
    },
    kill: end,
    async restart() {
      await end()
      running = await launch(config, port)
    },
    freeze: () => stopped(running.child),
    thaw: () => void running.child.kill('SIGCONT'),
    async [Symbol.asyncDispose]() {
      running.child.kill('SIGCONT')
      await Promise.all(buses.map((bus) => bus[Symbol.asyncDispose]()))
      await end()
      await rm(directory, { recursive: true, force: true })
    },
  }
}

/** The signal reaches the threads of a process one by one, and the last may still answer somebody: look until none runs. */
function stopped(child: ChildProcess): void {
  child.kill('SIGSTOP')
  const threads = `/proc/${child.pid}/task`
  const runs = (thread: string) => !/^State:\s+[Tt]/m.test(readFileSync(`${threads}/${thread}/status`, 'utf8'))
  while (readdirSync(threads).some(runs));
}

/** Start one and wait until it says that it is ready, and where. */
async function launch(config: string, port: string): Promise<{ child: ChildProcess; port: string }> {
  const child = spawn('nats-server', ['-c', config, '-a', '127.0.0.1', '-p', port], { stdio: ['ignore', 'ignore', 'pipe'] })
  let listening = ''
  const said: string[] = []
  for await (const line of createInterface(child.stderr)) {
    said.push(line)
    listening = line.match(/Listening for client connections on .*:(\d+)$/)?.[1] ?? listening
    if (line.includes('Server is ready')) {
      child.stderr.resume()
      return { child, port: listening }
    }
  }
  throw new Error(`nats-server did not start:\n${said.join('\n')}`)
}
