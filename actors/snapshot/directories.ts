import { randomUUID } from 'node:crypto'
import { chmod, mkdir, open, readdir, rename, rm, stat, statfs, utimes, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { Failure } from '../../messages/grammar/index.ts'
import { thisProcess } from '../../runtime/alive.ts'
import { errnoOf, fromErrno } from '../../runtime/errno.ts'
import { mountedUnder, unmount } from '../../runtime/mounts.ts'
import { btrfsType, renameExchange, syncfsAsync } from '../../runtime/syscalls/index.ts'
import { destroyTreesIn } from './btrfs-trees.ts'
import type { Options } from './driver.ts'

/** The directory of a driver: one directory an id, `fs` in it what the layer holds, and apart from them those that are on their way out. */
export interface Directories {
  /** its own path */
  readonly path: string
  /** What layer `id` holds. */
  fs(id: string): string
  /** A file or directory beside it, the driver's own. */
  beside(id: string, name: string): string
  /** A new directory for `id`, with nothing in it; what an earlier attempt left is thrown away. */
  claim(id: string): Promise<void>
  /** As claim, with an empty `fs` (0755) in it and `beside` beside it. */
  make(id: string, ...beside: string[]): Promise<void>
  /** A new empty directory to try things in, gone when disposed. */
  scratch(): Promise<{ path: string } & AsyncDisposable>
  /**
   * Put what `by` has in the place of what `id` has, in one step, once `complete` has finished it and it is on disk. Asked again, it goes on where it was. What was
   * there before is put aside until the next run of the kernel.
   */
  replace(id: string, by: string, complete: () => void): Promise<void>
  remove(id: string): Promise<void>
  sweep(options?: Options): Promise<void>
  ids(): Promise<string[]>
  sync(): Promise<void>
}

export interface DirectoriesOptions {
  /** Done to what is about to be deleted, for what is not deleted as files are. */
  readonly clear?: (path: string) => Promise<void>
}

export function directories(path: string, { clear = async () => {} }: DirectoriesOptions = {}): Directories {
  const removing = join(path, 'removing')
  const of = (id: string) => join(path, id)
  const erase = async (at: string) => {
    await clear(at)
    try {
      await rm(at, { recursive: true, force: true })
    } catch (error) {
      if (errnoOf(error) !== 'EROFS' || (await statfs(at)).type !== btrfsType) throw error
      // A container on btrfs may have made subvolumes in there, and those read-only.
      await destroyTreesIn(at)
      await rm(at, { recursive: true, force: true })
    }
  }
  let scratches = 0
  const places: Directories = {
    path,
    fs: (id) => join(of(id), 'fs'),
    beside: (id, name) => join(of(id), name),
    claim: (id) =>
      attempted(`make a directory for snapshot ${id}`, async () => {
        await makeOwn(path)
        await makeNew(of(id)).catch(async (error: unknown) => {
          if (errnoOf(error) !== 'EEXIST') throw error
          await places.remove(id)
          await makeNew(of(id))
        })
      }),
    make: (id, ...beside) =>
      attempted(`make directories of snapshot ${id}`, async () => {
        await places.claim(id)
        for (const name of beside) await makeNew(places.beside(id, name))
        await makeNew(places.fs(id))
        await asEmptyRoot(places.fs(id))
      }),
    async scratch() {
      const at = join(removing, `scratch-${process.pid}-${scratches++}`)
      await attempted(`make ${at}`, async () => {
        await makeOwn(removing)
        await makeNew(at)
      })
      return { path: at, [Symbol.asyncDispose]: () => erase(at) }
    },
    replace: (id, by, complete) =>
      attempted(`put snapshot ${by} in the place of ${id}`, async () => {
        // Wherever this is, there are the new contents: it says whether they were exchanged before a crash.
        const mark = `made-as-${by}`
        if (!(await isThere(places.beside(id, mark)))) {
          complete()
          await writeFile(places.beside(by, mark), '')
          await places.sync()
          // What is damaged may be missing altogether.
          await makeOwn(of(id))
          exchange(of(id), of(by))
        }
        const aside = join(path, 'replaced', (await thisProcess()).boot)
        await makeOwn(aside)
        await unlessGone(rename(of(by), join(aside, by)))
        await places.sync()
      }),
    remove: (id) =>
      attempted(`remove directories of snapshot ${id}`, async () => {
        await makeOwn(removing)
        // Under a name of its own: an attempt before this one may wait there for its sweep.
        await unlessGone(rename(of(id), join(removing, `${id}-${randomUUID()}`)))
      }),
    sweep: (options) =>
      attempted(`delete removed snapshots in ${path}`, async () => {
        // One after another: nobody waits for it, and others want the disk.
        for (const name of await list(removing)) {
          options?.signal?.throwIfAborted()
          if (isTried(name)) continue
          for (const { at } of await mountedUnder(join(removing, name))) await unmount(at)
          await erase(join(removing, name))
        }
        const { boot } = await thisProcess()
        for (const name of await list(join(path, 'replaced'))) {
          options?.signal?.throwIfAborted()
          if (name !== boot) await erase(join(path, 'replaced', name))
        }
      }),
    ids: async () => (await list(path)).filter((name) => /^\d+$/.test(name)),
    sync: () =>
      attempted(`sync ${path}`, async () => {
        await using directory = await unlessGone(open(path, 'r'))
        if (directory) await syncfsAsync(directory.fd)
      }),
  }
  return places
}

/** Give a new directory what the root of an empty layer has. */
export async function asEmptyRoot(path: string): Promise<void> {
  // The mask of the process is none of the snapshot's.
  await chmod(path, 0o755)
  // The same layers make the same file system, whenever: nobody has described this directory yet.
  await utimes(path, 0, 0)
}

/** What is at each of two paths is at the other then; nobody ever sees anything else. */
function exchange(one: string, other: string): void {
  try {
    renameExchange(one, other)
  } catch (error) {
    if (errnoOf(error) !== 'EINVAL') throw error
    throw new Failure('unimplemented', `exchange ${one} and ${other}: the file system cannot`, { cause: error })
  }
}

const isThere = async (path: string): Promise<boolean> => (await unlessGone(stat(path))) !== undefined

/** For root only: what is below has owners and modes of its own. */
const makeOwn = (path: string) => mkdir(path, { recursive: true, mode: 0o700 })
const makeNew = (path: string) => mkdir(path, { mode: 0o700 })

const list = async (path: string): Promise<string[]> => (await unlessGone(readdir(path))) ?? []

async function unlessGone<T>(promise: Promise<T>): Promise<T | undefined> {
  try {
    return await promise
  } catch (error) {
    if (errnoOf(error) !== 'ENOENT') throw error
    return undefined
  }
}

/** Whether a process that still runs may be trying things in there. */
function isTried(name: string): boolean {
  const pid = /^scratch-(\d+)-/.exec(name)?.[1]
  try {
    return pid !== undefined && process.kill(Number(pid), 0)
  } catch (error) {
    return errnoOf(error) === 'EPERM'
  }
}

async function attempted<T>(what: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work()
  } catch (error) {
    throw fromErrno(error, what)
  }
}
