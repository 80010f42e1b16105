import { randomUUID } from 'node:crypto'
import { type FileHandle, open, readdir, unlink } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { isAlive, type Living } from '../../runtime/alive.ts'
import { errnoOf, fromErrno } from '../../runtime/errno.ts'
import { leavingRoom, type Spend } from '../../runtime/room.ts'
import { boundsOf, pieces } from './pieces.ts'
import { type Part, readPart, writeAll } from './whole.ts'

/** Pieces that wait for their turn, each at its place in a file of their own. */
export interface Aside extends AsyncDisposable {
  has(piece: number): boolean
  /** A piece was written there by somebody else. */
  add(piece: number): void
  write(piece: number, bytes: Uint8Array): Promise<void>
  read(piece: number, part?: Part): Promise<Uint8Array>
  /** Make the file, for somebody else to write. */
  make(): Promise<void>
}

/** Made when first needed, taken away when disposed of. */
export function openAside({ path, size }: { path: string; size: number }): Aside {
  const held = pieces(size)
  let opened: Promise<{ file: FileHandle; spend: Spend }> | undefined

  async function create(): Promise<{ file: FileHandle; spend: Spend }> {
    const file = await open(path, 'wx+', 0o600)
    await file.truncate(size)
    return { file, spend: leavingRoom(dirname(path)) }
  }
  const made = () => {
    opened ??= create()
    opened.catch(() => (opened = undefined))
    return opened
  }

  return {
    has: held.has,
    add: held.add,
    async write(piece, bytes) {
      const { file, spend } = await made()
      spend(bytes.length)
      await writeAll(file, bytes, boundsOf(piece, size).start)
      held.add(piece)
    },
    async read(piece, part) {
      return await readPart((await made()).file, boundsOf(piece, size), part)
    },
    make: async () => void (await made()),
    async [Symbol.asyncDispose]() {
      const made = await opened?.catch(() => undefined)
      if (!made) return
      await made.file.close()
      await unlink(path).catch(() => {})
    },
  }
}

/** `<pid>-<started>-<any>.pieces`, so that a later process knows whose it is. */
export const asidePath = (directory: string, { pid, started }: Living): string =>
  join(directory, `${pid}-${started}-${randomUUID()}.pieces`)

/** Take away what processes that are no more had put aside. Others may be at work on the same directory: theirs stays. */
export async function sweepAsides(directory: string, { boot }: Living, { signal }: { signal?: AbortSignal } = {}): Promise<void> {
  for (const name of await readdir(directory)) {
    signal?.throwIfAborted()
    const [, pid, started] = /^([0-9]+)-([0-9]+)-[0-9a-f-]{36}\.pieces$/.exec(name) ?? []
    if (pid === undefined || started === undefined || (await isAlive({ pid: Number(pid), started, boot }))) continue
    await unlink(join(directory, name)).catch((error: unknown) => {
      if (errnoOf(error) !== 'ENOENT') throw fromErrno(error, `take away ${name}`)
    })
  }
}
