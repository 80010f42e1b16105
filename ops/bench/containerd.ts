import { execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, writeFile } from 'node:fs/promises'
import { createConnection } from 'node:net'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { type PullOptions, type Run, run, timed } from './measure.ts'

/** What the containerd on PATH calls itself, and what it decompresses with; undefined when there is none. */
export async function containerdVersion(): Promise<string | undefined> {
  try {
    const version = (await promisify(execFile)('containerd', ['--version'])).stdout.trim()
    const unpigz = await promisify(execFile)('unpigz', ['--version']).catch(() => undefined)
    return `${version}, ${unpigz ? 'with unpigz on its PATH' : "with Go's own gzip"}`
  } catch {
    return undefined
  }
}

/** A fresh daemon on a fresh root. */
export interface BenchContainerd extends AsyncDisposable {
  readonly root: string
  /** of its socket */
  readonly address: string
  readonly pid: number
}

export async function benchContainerd(options: PullOptions): Promise<BenchContainerd> {
  const root = await mkdtemp(join(options.scratch, 'containerd-'))
  const address = join(root, 'sock')
  const config = join(root, 'config.toml')
  await writeFile(config, configuration(root, address))
  const daemon = spawn('containerd', ['--config', config], { stdio: ['ignore', 'ignore', 'pipe'] })
  const ended = once(daemon, 'exit')
  await Promise.race([booted(daemon.stderr), ended.then(() => Promise.reject(new Error('containerd did not come up')))])
  await listening(address)
  return {
    root,
    address,
    pid: daemon.pid ?? 0,
    async [Symbol.asyncDispose]() {
      daemon.kill('SIGTERM')
      await ended
    },
  }
}

/** One cold pull by containerd: a fresh root, a fresh daemon, `ctr images pull` with overlayfs. */
export async function pullWithContainerd(reference: string, options: PullOptions): Promise<Run> {
  await using daemon = await benchContainerd(options)
  const pull = (image: string) => ['--address', daemon.address, 'images', 'pull', '--plain-http', '--snapshotter', 'overlayfs', image]
  if (options.first) await run('ctr', pull(options.first))
  return await timed('ctr', pull(reference), { servers: [daemon.pid] })
}

const configuration = (root: string, address: string): string => `version = 2
root = ${JSON.stringify(join(root, 'root'))}
state = ${JSON.stringify(join(root, 'state'))}
disabled_plugins = ["io.containerd.grpc.v1.cri"]
[grpc]
address = ${JSON.stringify(address)}
`

/** It logs a line when it is up. */
async function booted(log: NodeJS.ReadableStream): Promise<void> {
  let said = ''
  for await (const piece of log) {
    said += String(piece)
    if (said.includes('successfully booted')) break
  }
  log.resume()
}

async function listening(address: string): Promise<void> {
  const socket = createConnection(address)
  await once(socket, 'connect')
  socket.destroy()
}
