/**
 * Subvolumes of btrfs, as in `linux/btrfs.h`. What waits for a disk runs on a thread of the pool. A subvolume has an id; it is asked about through the open directory
 * that is its root.
 */
import { ioctlAsync } from './ioctl.ts'
import { SystemError } from './libc.ts'

/** What statfs says of a file system that is btrfs. */
export const btrfsType = 0x9123683e

/** What the kernel knows of a subvolume. */
export interface Subvolume {
  readonly id: bigint
  /** it was made of another */
  readonly isSnapshot: boolean
  /** the transaction it was made in: what has a higher generation was written since */
  readonly madeIn: bigint
}

/** Make an empty subvolume `name` in an open directory. */
export const createSubvolume = (directory: number, name: string): Promise<void> =>
  ioctlAsync(directory, SUBVOL_CREATE, volume({ name: Buffer.from(name), at: 8 }), 'BTRFS_IOC_SUBVOL_CREATE')

/** Make `name` in an open directory a writable snapshot of a subvolume; of those inside it there are empty directories. Waits until what it has is on disk. */
export const snapshotSubvolume = (source: number, directory: number, name: Uint8Array): Promise<void> => {
  const argument = volume({ name, at: 56 })
  argument.writeBigInt64LE(BigInt(source), 0)
  return ioctlAsync(directory, SNAP_CREATE_V2, argument, 'BTRFS_IOC_SNAP_CREATE_V2')
}

/** Delete the subvolume of an id, on the file system of any open directory. Fails with ENOTEMPTY when there are others inside it. Linux 5.7. */
export const destroySubvolume = (directory: number, id: bigint): Promise<void> => {
  const argument = Buffer.alloc(4096)
  argument.writeBigUInt64LE(SPEC_BY_ID, 16)
  argument.writeBigUInt64LE(id, 56)
  return ioctlAsync(directory, SNAP_DESTROY_V2, argument, 'BTRFS_IOC_SNAP_DESTROY_V2')
}

/** Let a subvolume be written no more, or again. */
export const setFrozen = (subvolume: number, frozen: boolean): Promise<void> => {
  const argument = Buffer.alloc(8)
  argument.writeBigUInt64LE(frozen ? RDONLY : 0n)
  return ioctlAsync(subvolume, SUBVOL_SETFLAGS, argument, 'BTRFS_IOC_SUBVOL_SETFLAGS')
}

export async function subvolumeOf(root: number): Promise<Subvolume> {
  const info = Buffer.alloc(504)
  await ioctlAsync(root, GET_SUBVOL_INFO, info, 'BTRFS_IOC_GET_SUBVOL_INFO')
  return {
    id: info.readBigUInt64LE(0),
    isSnapshot: info.subarray(312, 312 + 16).some((byte) => byte !== 0),
    madeIn: info.readBigUInt64LE(352),
  }
}

/** Subvolumes right inside the one of an id, and where they are: a path from its root. Those that go meanwhile are not among them. Only for who may search trees. */
export async function subvolumesIn(directory: number, id: bigint): Promise<{ id: bigint; path: Buffer<ArrayBuffer> }[]> {
  const found: { id: bigint; path: Buffer<ArrayBuffer> }[] = []
  const range = { first: { object: id, type: ROOT_REF, offset: 0n }, last: { object: id, type: ROOT_REF, offset: most } }
  for await (const items of searchTree(directory, { tree: rootTree, ...range })) {
    for (const { offset, data } of items) {
      const parent = await pathInSubvolume(directory, id, data.readBigUInt64LE(0))
      if (parent !== undefined) found.push({ id: offset, path: Buffer.concat([parent, data.subarray(18, 18 + data.readUInt16LE(16))]) })
    }
  }
  return found
}

/** One item of a tree. `data` is good until the next items are asked for. */
export interface TreeItem {
  readonly object: bigint
  readonly type: number
  readonly offset: bigint
  readonly data: Buffer
}

/** Kinds of items. */
export const ITEM = { inode: 1, extent: 108 } as const

/** Everything about the files of a subvolume that lies in blocks of the tree written after a transaction, in order; blocks have older items beside newer ones. Only for who may search trees. */
export const filesOf = (directory: number, tree: bigint, { after }: { after: bigint }): AsyncGenerator<TreeItem[]> =>
  searchTree(directory, {
    tree,
    first: { object: 256n, type: 0, offset: 0n },
    last: { object: most - 255n, type: 255, offset: most },
    generation: after + 1n,
  })

interface TreeKey {
  readonly object: bigint
  readonly type: number
  readonly offset: bigint
}

interface Search {
  readonly tree: bigint
  readonly first: TreeKey
  readonly last: TreeKey
  /** of the block the item is in, at least */
  readonly generation?: bigint
}

/** Items in the order of their keys, as many at once as there is room for. */
async function* searchTree(directory: number, { tree, first, last, generation = 0n }: Search): AsyncGenerator<TreeItem[]> {
  const argument = Buffer.alloc(headBytes + roomBytes)
  for (let from: TreeKey | undefined = first; from; ) {
    argument.fill(0, 0, headBytes)
    const bounds = [tree, from.object, last.object, from.offset, last.offset, generation, most]
    bounds.forEach((bound, at) => {
      argument.writeBigUInt64LE(bound, at * 8)
    })
    argument.writeUInt32LE(from.type, 56)
    argument.writeUInt32LE(last.type, 60)
    argument.writeUInt32LE(0xffffffff, 64)
    argument.writeBigUInt64LE(BigInt(roomBytes), 104)
    await ioctlAsync(directory, TREE_SEARCH_V2, argument, 'BTRFS_IOC_TREE_SEARCH_V2')
    const items = itemsIn(argument.subarray(headBytes), argument.readUInt32LE(64))
    if (items.length > 0) yield items
    from = after(items.at(-1))
  }
}

function itemsIn(room: Buffer, count: number): TreeItem[] {
  const items: TreeItem[] = []
  let at = 0
  for (let number = 0; number < count; number++) {
    const length = room.readUInt32LE(at + 28)
    items.push({
      object: room.readBigUInt64LE(at + 8),
      offset: room.readBigUInt64LE(at + 16),
      type: room.readUInt32LE(at + 24),
      data: room.subarray(at + 32, at + 32 + length),
    })
    at += 32 + length
  }
  return items
}

/** The key that comes next; none after the last. */
function after(key: TreeKey | undefined): TreeKey | undefined {
  if (key === undefined) return undefined
  const { object, type, offset } = key
  if (offset < most) return { object, type, offset: offset + 1n }
  return type < 255 ? { object, type: type + 1, offset: 0n } : { object: object + 1n, type: 0, offset: 0n }
}

/** Of a directory of a subvolume, from its root; with a slash at the end, empty for the root itself. Undefined when there is none of that inode. */
export async function pathInSubvolume(directory: number, tree: bigint, inode: bigint): Promise<Buffer<ArrayBuffer> | undefined> {
  const argument = Buffer.alloc(4096)
  argument.writeBigUInt64LE(tree, 0)
  argument.writeBigUInt64LE(inode, 8)
  try {
    await ioctlAsync(directory, INO_LOOKUP, argument, 'BTRFS_IOC_INO_LOOKUP')
  } catch (error) {
    if (error instanceof SystemError && error.code === 'ENOENT') return undefined
    throw error
  }
  return argument.subarray(16, argument.indexOf(0, 16))
}

function volume({ name, at }: { name: Uint8Array; at: number }): Buffer {
  const argument = Buffer.alloc(4096)
  argument.set(name, at)
  return argument
}

const SUBVOL_CREATE = 0x5000940e
const SNAP_CREATE_V2 = 0x50009417
const SNAP_DESTROY_V2 = 0x5000943f
const SUBVOL_SETFLAGS = 0x4008941a
const TREE_SEARCH_V2 = 0xc0709411
const INO_LOOKUP = 0xd0009412
const GET_SUBVOL_INFO = 0x81f8943c
const SPEC_BY_ID = 0x10n
const RDONLY = 2n
const ROOT_REF = 156
const rootTree = 1n
const most = 2n ** 64n - 1n
const headBytes = 112
/** More than the largest block of a tree, which is 64 KiB. */
const roomBytes = 256 * 1024
