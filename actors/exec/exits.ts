import { watch } from 'node:fs'
import { mkdir, readdir, readFile, rm, stat } from 'node:fs/promises'
import { join } from 'node:path'
import type { Log } from '../../messages/grammar/index.ts'

/** How a container's process ended. */
export interface Exit {
  readonly exitCode: number
  readonly at: string
}

/** How a container ended, as conmon left it in the directory of exits: a file of its id with its exit code. Undefined while there is none. */
export async function readExit(directory: string, id: string): Promise<Exit | undefined> {
  const path = join(directory, id)
  const text = await readFile(path, 'utf8').catch(() => '')
  if (!/^-?[0-9]+\s*$/.test(text)) return undefined
  return { exitCode: Number(text), at: (await stat(path)).mtime.toISOString() }
}

/** Have `told` called with every name that appears in the directory of exits; it may be told one twice, and names that are no id. */
export async function watchExits(directory: string, components: { told: (id: string) => void; log: Log }): Promise<Disposable> {
  const { told, log } = components
  const failed = (error: unknown) => log.error({ err: error }, 'watch exits')
  await mkdir(directory, { recursive: true, mode: 0o700 })
  const all = () =>
    void readdir(directory).then((names) => {
      for (const name of names) told(name)
    }, failed)
  // Without a name the kernel had more to say than room for it.
  const watcher = watch(directory, (_event, name) => (name === null ? all() : told(name)))
  watcher.on('error', failed)
  return { [Symbol.dispose]: () => watcher.close() }
}

/** Take away what is left there by containers nobody knows. */
export async function sweepExits(directory: string, known: ReadonlySet<string>): Promise<void> {
  for (const name of await readdir(directory)) if (!known.has(name)) await rm(join(directory, name), { force: true })
}
