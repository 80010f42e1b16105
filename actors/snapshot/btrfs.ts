import { readdir, readFile, statfs, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { type Code, Failure, isFailure } from '../../messages/grammar/index.ts'
import type { Mount } from '../../messages/snapshot.ts'
import { errnoOf, fromErrno } from '../../runtime/errno.ts'
import { btrfsType } from '../../runtime/syscalls/index.ts'
import { demandSearch, destroyTree, forkTree, freezeTree, makeTree, measureTree } from './btrfs-trees.ts'
import { asEmptyRoot, directories } from './directories.ts'
import type { Driver, Layer, Options } from './driver.ts'
import { nothing } from './usage.ts'

/**
 * Snapshots as subvolumes of btrfs: `<id>/fs` is one, made of its parent's without copying anything, and read-only once committed. A view of a committed layer is that
 * layer's subvolume.
 */
export function btrfs(directory: string): Driver {
  const places = directories(directory, { clear: destroyAll })
  return {
    name: 'btrfs',
    rebase: false,
    found: 'every snapshot is a subvolume; layers are applied in order, and each waits until the one before is on disk',
    async probe(options) {
      try {
        await demandBtrfs(directory)
        await using scratch = await places.scratch()
        await tryAll(scratch.path, options)
      } catch (error) {
        options?.signal?.throwIfAborted()
        throw refusal(error)
      }
    },
    prepare: ({ id, kind, ancestors: [parent] }, options) =>
      attempted(`make the subvolume of snapshot ${id}`, options, async () => {
        if (kind === 'view') return
        await places.claim(id)
        const to = { directory: dirname(places.fs(id)), name: 'fs' }
        if (parent !== undefined) return await forkTree(places.fs(parent), to, options)
        await makeTree(to.directory, to.name)
        await asEmptyRoot(places.fs(id))
      }),
    commit: ({ id }, _, options) => attempted(`freeze the subvolume of snapshot ${id}`, options, () => freezeTree(places.fs(id), options)),
    mounts({ id, kind, ancestors: [parent] }): Mount[] {
      const source = places.fs(kind === 'view' && parent !== undefined ? parent : id)
      return [{ type: 'bind', source, options: [kind === 'active' ? 'rw' : 'ro', 'rbind'] }]
    },
    target: ({ id }: Layer) => ({ kind: 'directory', path: places.fs(id), whiteouts: 'remove' }),
    usage: ({ id, kind }, options) =>
      attempted(`measure snapshot ${id}`, options, async () => (kind === 'view' ? nothing : await measureTree(places.fs(id), options))),
    remove: places.remove,
    sweep: places.sweep,
    ids: places.ids,
    sync: places.sync,
  }
}

/** Delete the subvolumes in what is on its way out: a snapshot's directory, or one where things were tried. */
async function destroyAll(path: string): Promise<void> {
  for (const name of await readdir(path)) await destroyTree(join(path, name))
}

async function attempted<T>(what: string, options: Options | undefined, work: () => Promise<T>): Promise<T> {
  options?.signal?.throwIfAborted()
  try {
    return await work()
  } catch (error) {
    options?.signal?.throwIfAborted()
    throw fromErrno(error, what)
  }
}

/** Before anything is made: most machines have no btrfs, and are to stay as they are. */
async function demandBtrfs(directory: string): Promise<void> {
  const { type } = await nearest(directory)
  if (type !== btrfsType) throw new Failure('unimplemented', `use btrfs snapshots: ${directory} is not on btrfs`)
}

async function nearest(path: string): Promise<{ type: number }> {
  try {
    return await statfs(path)
  } catch (error) {
    if (errnoOf(error) !== 'ENOENT' || dirname(path) === path) throw error
    return await nearest(dirname(path))
  }
}

/** Do once all that is done to snapshots. What takes rights is asked for first, so that nothing is left that could not be deleted. */
async function tryAll(scratch: string, options: Options | undefined): Promise<void> {
  const [from, to] = [join(scratch, 'from'), join(scratch, 'to')]
  await demandSearch(scratch)
  await makeTree(scratch, 'from')
  await writeFile(join(from, 'file'), 'text')
  await freezeTree(from, options)
  await forkTree(from, { directory: scratch, name: 'to' }, options)
  await writeFile(join(to, 'other'), '')
  const [was, is] = [await readFile(join(to, 'file'), 'utf8'), await readdir(from)]
  if (was !== 'text' || is.join() !== 'file')
    throw new Failure('unimplemented', `use btrfs snapshots: a snapshot in ${scratch} is not what it was made of`)
  await destroyTree(to)
  await destroyTree(from)
}

function refusal(error: unknown): Failure {
  const errno = errnoOf(error instanceof Error ? (error.cause ?? error) : error)
  const because = (code: Code, why: string) => new Failure(code, `use btrfs snapshots: ${why}`, { cause: error })
  if (errno === 'EPERM' || errno === 'EACCES')
    return because('permission_denied', 'this user may not search and delete subvolumes (CAP_SYS_ADMIN)')
  if (errno === 'ENOTTY' || errno === 'EOPNOTSUPP') return because('unimplemented', 'the kernel is too old, Linux 5.7 is needed')
  return isFailure(error) ? error : fromErrno(error, 'use btrfs snapshots')
}
