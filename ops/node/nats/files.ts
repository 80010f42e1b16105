/** The files of a node's own NATS server, all in `<root>/nats`, all for the owner's eyes only. */
import { randomBytes } from 'node:crypto'
import { mkdir, readFile, rename, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { errnoOf } from '../../../runtime/errno.ts'

export interface ServerFiles {
  readonly directory: string
  readonly config: string
  readonly credentials: string
  readonly lock: string
  readonly running: string
}

export interface Credentials {
  readonly user: string
  readonly password: string
}

/** The server that runs, or ran last. */
export interface Running {
  readonly pid: number
  readonly port: number
}

export async function serverFiles(root: string): Promise<ServerFiles> {
  const directory = join(root, 'nats')
  await mkdir(directory, { recursive: true, mode: 0o700 })
  const at = (name: string) => join(directory, name)
  return { directory, config: at('server.conf'), credentials: at('credentials'), lock: at('lock'), running: at('running.json') }
}

/** User and password of the server: made at the first start, kept from then on. */
export async function makeCredentials({ credentials: path }: ServerFiles): Promise<Credentials> {
  const kept = await readFile(path, 'utf8').catch((error: unknown) => {
    if (errnoOf(error) !== 'ENOENT') throw error
  })
  if (kept) return JSON.parse(kept) as Credentials
  const made: Credentials = { user: 'gantry', password: randomBytes(24).toString('base64url') }
  await writeWhole(path, `${JSON.stringify(made)}\n`)
  return made
}

/** Write what the server is to be; JSON is NATS configuration too. Port -1 is any free one. */
export async function writeConfig(
  files: ServerFiles,
  { user, password }: Credentials,
  { port, name }: { port: number; name: string },
): Promise<void> {
  const config = {
    server_name: name,
    host: '127.0.0.1',
    port,
    authorization: { user, password },
    jetstream: { store_dir: join(files.directory, 'store'), max_memory_store: 64 * 2 ** 20, max_file_store: 2 ** 30 },
    // a client that does not read must not make the server hold its output for long
    max_pending: 32 * 2 ** 20,
  }
  await writeWhole(files.config, `${JSON.stringify(config, null, 2)}\n`)
}

export async function readRunning({ running }: ServerFiles): Promise<Running | undefined> {
  try {
    return JSON.parse(await readFile(running, 'utf8')) as Running
  } catch {
    return undefined // never there, or torn by a crash: nothing is known then
  }
}

export const writeRunning = ({ running }: ServerFiles, server: Running): Promise<void> => writeWhole(running, JSON.stringify(server))

async function writeWhole(path: string, text: string): Promise<void> {
  await writeFile(`${path}.new`, text, { mode: 0o600 })
  await rename(`${path}.new`, path)
}
