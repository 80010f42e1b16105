import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

/** A registry on loopback, gone with its storage when disposed. */
export interface Registry extends AsyncDisposable {
  /** `127.0.0.1:port`: the first part of a reference to it */
  readonly host: string
  /** `http://127.0.0.1:port` */
  readonly url: string
}

/** Start the real docker-registry on a free port, empty, deletes allowed. */
export async function startRegistry(): Promise<Registry> {
  const directory = await mkdtemp(join(tmpdir(), 'registry-'))
  const config = join(directory, 'config.yml')
  await writeFile(config, configuration(join(directory, 'storage')))
  const child = spawn('docker-registry', ['serve', config], { stdio: ['ignore', 'ignore', 'pipe'] })
  try {
    const port = await listening(child)
    const host = `127.0.0.1:${port}`
    return { host, url: `http://${host}`, [Symbol.asyncDispose]: () => stop(child, directory) }
  } catch (error) {
    await stop(child, directory)
    throw error
  }
}

/** JSON is YAML too. Port 0: the registry says in its log which one it got. */
const configuration = (storage: string): string =>
  JSON.stringify({
    version: 0.1,
    log: { level: 'info', accesslog: { disabled: true } },
    storage: { filesystem: { rootdirectory: storage }, delete: { enabled: true } },
    http: { addr: '127.0.0.1:0', secret: 'of a test' },
  })

function listening(child: ChildProcess): Promise<number> {
  return new Promise((resolve, reject) => {
    let said = ''
    child.once('error', reject)
    child.once('exit', (code) => reject(new Error(`docker-registry ended with ${code}: ${said}`)))
    child.stderr?.on('data', (piece: Buffer) => {
      said = (said + piece.toString()).slice(-8192)
      const port = /listening on [^ "]*:(\d+)/.exec(said)?.[1]
      if (port) resolve(Number(port))
    })
  })
}

async function stop(child: ChildProcess, directory: string): Promise<void> {
  if (child.pid !== undefined && child.exitCode === null && child.signalCode === null) {
    const gone = once(child, 'exit')
    child.kill('SIGKILL')
    await gone
  }
  await rm(directory, { recursive: true, force: true })
}
