import { type FileHandle, open, rmdir } from 'node:fs/promises'
import { errnoOf } from '../../runtime/errno.ts'
import {
  createSubvolume,
  destroySubvolume,
  filesOf,
  freezeSubvolume,
  ITEM,
  O,
  type Subvolume,
  snapshotSubvolume,
  subvolumeOf,
  subvolumesIn,
  syncfsAsync,
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
  const pending = [{ from: bytes(from), directory: bytes(to.directory), name: bytes(to.name) }]
  for (let one = pending.shift(); one; one = pending.shift()) {
    options.signal?.throwIfAborted()
    await using source = await openDirectory(one.from)
    await using directory = await openDirectory(one.directory)
    await snapshotSubvolume(source.fd, directory.fd, one.name)
    const made = below(one.directory, one.name)
    for (const { path } of await subvolumesIn(source.fd, (await subvolumeOf(source.fd)).id)) {
      // What stands for it so far.
      await rmdir(below(made, path))
      const slash = path.lastIndexOf('/') + 1
      pending.push({ from: below(one.from, path), directory: below(made, path.subarray(0, slash)), name: path.subarray(slash) })
    }
  }
}

/** Let nothing in the tree at `path` be written any more. */
export async function freezeTree(path: string, options: Options = {}): Promise<void> {
  const pending = [bytes(path)]
  for (let one = pending.shift(); one; one = pending.shift()) {
    options.signal?.throwIfAborted()
    await using root = await openDirectory(one)
    for (const { path: inside } of await subvolumesIn(root.fd, (await subvolumeOf(root.fd)).id)) pending.push(below(one, inside))
    await freezeSubvolume(root.fd)
  }
}

/** Delete the tree at `path`; what is not there, or is no subvolume, is left as it is. Its space is free some time after. */
export async function destroyTree(path: string): Promise<void> {
  await using root = await openDirectory(path).catch(ifNone)
  if (!root || (await root.stat()).ino !== rootInode) return
  const { id } = await subvolumeOf(root.fd)
  const ids = [id]
  for (const one of ids) for (const inside of await subvolumesIn(root.fd, one)) ids.push(inside.id)
  // The root's own descriptor would be one in what is gone.
  await using parent = await openDirectory(below(bytes(path), bytes('..')))
  for (const one of ids.toReversed()) await destroySubvolume(parent.fd, one)
}

/**
 * What was written to the tree at `path` since it was made of another, or ever. Data counts once however often it is referred to, as it lies on disk: compressed; what is so small
 * that it lies among the names counts by its length. Files count that were made, or have data, since. Found in the trees of the file system, of which only what is new is read: no file
 * is looked at. Needs all of the file system to be written first.
 */
export async function measureTree(path: string, options: Options = {}): Promise<Usage> {
  await using root = await openDirectory(path)
  options.signal?.throwIfAborted()
  await syncfsAsync(root.fd)
  const total = { size: 0, inodes: 0 }
  const pending = [bytes(path)]
  for (let one = pending.shift(); one; one = pending.shift()) {
    await using at = await openDirectory(one)
    const subvolume = await subvolumeOf(at.fd)
    const { size, inodes } = await measureSubvolume(at.fd, subvolume, options)
    total.size += size
    total.inodes += inodes
    for (const inside of await subvolumesIn(at.fd, subvolume.id)) pending.push(below(one, inside.path))
  }
  return total
}

/** Fails with EPERM for who may not do here what the rest of this file does. */
export async function demandSearch(directory: string): Promise<void> {
  await using at = await openDirectory(directory)
  await subvolumesIn(at.fd, (await subvolumeOf(at.fd)).id)
}

async function measureSubvolume(directory: number, { id, isSnapshot, madeIn }: Subvolume, { signal }: Options): Promise<Usage> {
  // What one that is not made of another has was all written to it, also in the transaction that made it.
  const made = isSnapshot ? madeIn : -1n
  const seen = new Set<bigint>()
  let size = 0
  let inodes = 0
  let counted: bigint | undefined
  for await (const items of filesOf(directory, id, { after: made })) {
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
  if (!['ENOENT', 'ENOTDIR', 'ELOOP'].includes(errnoOf(error) ?? '')) throw error
}
