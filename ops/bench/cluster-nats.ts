import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { createInterface } from 'node:readline'

/** A nats-server with JetStream, on loopback, that says what goes through it. */
export interface BenchNats extends AsyncDisposable {
  readonly url: string
  readonly pid: number
  /** Bytes that came in and went out since it was started. */
  traffic(): Promise<Traffic>
}

export interface Traffic {
  readonly in: number
  readonly out: number
}

export async function benchNats(scratch: string): Promise<BenchNats> {
  const directory = await mkdtemp(join(scratch, 'nats-'))
  const config = join(directory, 'nats.conf')
  await writeFile(config, `listen: "127.0.0.1:-1"\nhttp: "127.0.0.1:-1"\njetstream { store_dir: ${JSON.stringify(directory)} }\n`)
  const child = spawn('nats-server', ['-c', config], { stdio: ['ignore', 'ignore', 'pipe'] })
  const ended = once(child, 'exit')
  const [client, monitor] = await ports(child.stderr)
  return {
    url: `nats://127.0.0.1:${client}`,
    pid: child.pid ?? 0,
    async traffic() {
      const varz = (await (await fetch(`http://127.0.0.1:${monitor}/varz`)).json()) as { in_bytes: number; out_bytes: number }
      return { in: varz.in_bytes, out: varz.out_bytes }
    },
    async [Symbol.asyncDispose]() {
      child.kill('SIGTERM')
      await ended
    },
  }
}

/** It says which ports it was given, then that it is ready. */
async function ports(log: NodeJS.ReadableStream): Promise<[client: string, monitor: string]> {
  let [client, monitor] = ['', '']
  for await (const line of createInterface({ input: log })) {
    client = /client connections on .*:(\d+)$/.exec(line)?.[1] ?? client
    monitor = /http monitor on .*:(\d+)$/.exec(line)?.[1] ?? monitor
    if (line.includes('Server is ready')) {
      log.resume()
      return [client, monitor]
    }
  }
  throw new Error('nats-server did not come up')
}
