import { type FileHandle, lstat, open, rmdir } from 'node:fs/promises'
import { join } from 'node:path'
import { errnoOf } from '../../runtime/errno.ts'
import {
  close,
  createSubvolume,
  cstring,
  destroySubvolume,
  filesOf,
  ITEM,
  O,
  pathInSubvolume,
  RESOLVE,
  type Subvolume,
  SystemError,
  setFrozen,
  snapshotSubvolume,
  subvolumeOf,
  subvolumesIn,
  syncfsAsync,
  tryOpenat2,
} from '../../runtime/syscalls/index.ts'
import type { Options, Usage } from './driver.ts'

/**
 * A subvolume together with those inside it: whoever is in a container may make some, and to them they are directories. The kernel takes each for itself: a snapshot shows an empty
 * directory for those inside, freezing leaves them writable, and one that has any is not deleted.
 */

/** Make an empty subvolume `name` in `directory`. */
export async function makeTree(directory: string, name: string): Promise<void> {
  await using at = await openDirectory(directory)
  await createSubvolume(at.fd, name)
}

/** Make `name` in `directory`, where nobody else looks yet, what the frozen tree at `from` is, to be written. Nothing is copied. */
export async function forkTree(from: string, to: { directory: string; name: string }, options: Options = {}): Promise<void> {
  const made = bytes(join(to.directory, to.name))
  for await (const { fd, path } of treeAt(from, options)) {
    const at = path.length === 0 ? made : below(made, path)
    // What stands for one inside, so far.
    if (path.length > 0) await rmdir(at)
    const slash = at.lastIndexOf('/')
    await using directory = await openDirectory(at.subarray(0, slash))
    await snapshotSubvolume(fd, directory.fd, at.subarray(slash + 1))
  }
}

/** Let nothing in the tree at `path` be written any more. */
export async function freezeTree(path: string, options: Options = {}): Promise<void> {
  for await (const { fd } of treeAt(path, options)) await setFrozen(fd, true)
}

/** Delete the tree at `path`; what is not there, or is no subvolume, is left as it is. Its space is free some time after. */
export async function destroyTree(path: string | Buffer<ArrayBuffer>): Promise<void> {
  const status = await lstat(path).catch(ifNone)
  if (!status?.isDirectory() || status.ino !== rootInode) return
  const ids: bigint[] = []
  for await (const { fd, id, isLeaf } of treeAt(path)) {
    ids.push(id)
    // Inside a frozen one nothing can be deleted.
    if (!isLeaf) await setFrozen(fd, false)
  }
  await using directory = await openDirectory(below(Buffer.from(path), bytes('..')))
  for (const id of ids.toReversed()) await destroySubvolume(directory.fd, id)
}

/** Delete all subvolumes below a directory that is none itself, on btrfs. */
export async function destroyTreesIn(directory: string): Promise<void> {
  await using at = await openDirectory(directory)
  const { id } = await subvolumeOf(at.fd)
  const here = await pathInSubvolume(at.fd, id, BigInt((await at.stat()).ino))
  if (here === undefined) return
  for (const { path } of await subvolumesIn(at.fd, id))
    if (path.subarray(0, here.length).equals(here)) await destroyTree(below(bytes(directory), path.subarray(here.length)))
}

/**
 * What was written to the tree at `path` since it was made of another, or ever. Data counts once however often it is referred to, as it lies on disk: compressed; what is so small
 * that it lies among the names counts by its length. Files count that were made, or have data, since. Found in the trees of the file system, of which only what is new is read: no file
 * is looked at. Needs all of the file system to be written first.
 */
export async function measureTree(path: string, options: Options = {}): Promise<Usage> {
  await using root = await openDirectory(path)
  await syncfsAsync(root.fd)
  const total = { size: 0, inodes: 0 }
  for await (const subvolume of treeAt(path, options)) {
    const { size, inodes } = await measureSubvolume(subvolume, options)
    total.size += size
    total.inodes += inodes
  }
  return total
}

/** Fails with EPERM for who may not do here what the rest of this file does. */
export async function demandSearch(directory: string): Promise<void> {
  await using at = await openDirectory(directory)
  // There are none in what is no subvolume; asking is what takes the right.
  await subvolumesIn(at.fd, 0n)
}

/** A subvolume of a tree, open until the next is asked for. */
interface Member extends Subvolume {
  readonly fd: number
  /** from the root of the tree; empty for that itself */
  readonly path: Buffer<ArrayBuffer>
  readonly isLeaf: boolean
}

/**
 * The subvolumes of a tree, each before those inside it. Who is in a container may still move things about: no link is followed on the way to one, and what is found there and is another
 * by now, or none, is passed over.
 */
async function* treeAt(path: string | Buffer, { signal }: Options = {}): AsyncGenerator<Member> {
  await using root = await openDirectory(path)
  const pending: { path: Buffer<ArrayBuffer>; id?: bigint }[] = [{ path: Buffer.alloc(0) }]
  for (let one = pending.shift(); one; one = pending.shift()) {
    signal?.throwIfAborted()
    const fd = tryOpenat2(root.fd, cstring(one.path.length === 0 ? '.' : one.path), { flags: O.RDONLY | O.DIRECTORY, resolve })
    if (fd < 0) {
      if (passable.includes(fd)) continue
      throw new SystemError(-fd, 'openat2')
    }
    try {
      const subvolume = await subvolumeOf(fd)
      if (one.id !== undefined && one.id !== subvolume.id) continue
      const inside = await subvolumesIn(fd, subvolume.id)
      for (const { id, path } of inside) pending.push({ id, path: one.path.length === 0 ? path : below(one.path, path) })
      yield { ...subvolume, fd, path: one.path, isLeaf: inside.length === 0 }
    } finally {
      close(fd)
    }
  }
}

const resolve = RESOLVE.BENEATH | RESOLVE.NO_SYMLINKS | RESOLVE.NO_MAGICLINKS
/** ENOENT, ENOTDIR, ELOOP, EXDEV */
const passable = [-2, -20, -40, -18]

async function measureSubvolume({ fd, id, isSnapshot, madeIn }: Member, { signal }: Options): Promise<Usage> {
  // What one that is not made of another has was all written to it, also in the transaction that made it.
  const made = isSnapshot ? madeIn : -1n
  const seen = new Set<bigint>()
  let size = 0
  let inodes = 0
  let counted: bigint | undefined
  for await (const items of filesOf(fd, id, { after: made })) {
    signal?.throwIfAborted()
    for (const { object, type, data } of items) {
      if ((type !== ITEM.inode && type !== ITEM.extent) || data.readBigUInt64LE(0) <= made) continue
      if (object !== counted) inodes += 1
      counted = object
      if (type === ITEM.extent) size += takenBy(data, seen)
    }
  }
  return { size, inodes }
}

/** Bytes an extent takes up that were not seen before. */
function takenBy(extent: Buffer, seen: Set<bigint>): number {
  if (extent[20] === inline) return extent.length - inlineHead
  const at = extent.readBigUInt64LE(21)
  if (at === 0n || seen.has(at)) return 0
  seen.add(at)
  return Number(extent.readBigUInt64LE(29))
}

const inline = 0
const inlineHead = 21
/** Of the root of any subvolume. */
const rootInode = 256

/** Paths as bytes: names need not be text. */
const bytes = (path: string): Buffer<ArrayBuffer> => Buffer.from(path)
const below = (directory: Buffer<ArrayBuffer>, name: Buffer<ArrayBuffer>): Buffer<ArrayBuffer> =>
  Buffer.concat([directory, bytes('/'), name])
const openDirectory = (path: string | Buffer): Promise<FileHandle> => open(path, O.RDONLY | O.DIRECTORY | O.NOFOLLOW)

function ifNone(error: unknown): undefined {
  if (errnoOf(error) !== 'ENOENT') throw error
}
