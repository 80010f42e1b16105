import { lstat, readdir, statfs } from 'node:fs/promises'
import { errnoOf, fromErrno } from '../../runtime/errno.ts'
import type { Options, Usage } from './driver.ts'
import { lengthBeyond, type Piece, partsOf } from './usage-shared.ts'

export interface MeasureOptions extends Options {
  /** Trees this one was made of: what it shares with them is theirs. */
  readonly ground?: readonly string[]
}

/**
 * What the tree at `root` takes up: blocks of the disk, not lengths, and a file with several names once. The root itself counts. What disappears meanwhile does not: an active
 * snapshot is in use.
 *
 * Where files can share data, what several in the tree have counts once, and what the ground has too not at all. That others have it as well, such as what was made of
 * this tree, changes nothing: the answer is the same before and after.
 */
export async function measure(root: string, { signal, ground = [] }: MeasureOptions = {}): Promise<Usage> {
  const seen = new Set<string>()
  const shared: Piece[] = []
  let size = 0
  let inodes = 0
  try {
    const sharing = await canShare(root)
    await walk(root, signal, async (path) => {
      const status = await unlessGone(lstat(path))
      if (!status) return
      if (status.nlink > 1 && !status.isDirectory()) {
        const inode = `${status.dev}:${status.ino}`
        if (seen.has(inode)) return
        seen.add(inode)
      }
      inodes += 1
      const parts = sharing && status.isFile() && status.blocks > 0 ? await partsOf(path) : undefined
      size += parts?.own ?? status.blocks * 512
      for (const piece of parts?.shared ?? []) shared.push(piece)
    })
    if (shared.length > 0) size += lengthBeyond(shared, await sharedIn(ground, signal))
  } catch (error) {
    signal?.throwIfAborted()
    throw fromErrno(error, `measure ${root}`)
  }
  return { size, inodes }
}

async function sharedIn(roots: readonly string[], signal: AbortSignal | undefined): Promise<Piece[]> {
  const shared: Piece[] = []
  for (const root of roots) {
    await walk(root, signal, async (path, isFile) => {
      const parts = isFile ? await partsOf(path) : undefined
      for (const piece of parts?.shared ?? []) shared.push(piece)
    })
  }
  return shared
}

/** Visit the root and all below it, some at once; names are bytes, they need not be text. */
async function walk(
  root: string,
  signal: AbortSignal | undefined,
  visit: (path: Buffer<ArrayBuffer>, isFile: boolean) => Promise<void>,
): Promise<void> {
  const directories = [Buffer.from(root)]
  await visit(Buffer.from(root), false)
  for (let directory = directories.shift(); directory; directory = directories.shift()) {
    signal?.throwIfAborted()
    const entries = (await unlessGone(readdir(directory, { withFileTypes: true, encoding: 'buffer' }))) ?? []
    for (let at = 0; at < entries.length; at += together) {
      signal?.throwIfAborted()
      const some = entries.slice(at, at + together).map((entry) => ({ entry, path: below(directory, entry.name) }))
      await Promise.all(some.map(({ entry, path }) => visit(path, entry.isFile())))
      for (const { entry, path } of some) if (entry.isDirectory()) directories.push(path)
    }
  }
}

/** Asking every file where its data lies costs more than all else here: not where there is nothing to be found. */
async function canShare(root: string): Promise<boolean> {
  return !shareless.has((await statfs(root)).type)
}

/** ext2, ext3 and ext4, tmpfs, ramfs. */
const shareless = new Set([0xef53, 0x01021994, 0x858458f6])
const together = 16
const slash = Buffer.from('/')
const below = (directory: Buffer<ArrayBuffer>, name: Buffer): Buffer<ArrayBuffer> => Buffer.concat([directory, slash, name])

const unlessGone = <T>(promise: Promise<T>): Promise<T | undefined> =>
  promise.catch((error: unknown) => {
    if (errnoOf(error) === 'ENOENT') return undefined
    throw error
  })

/** Nothing on disk. */
export const nothing: Usage = { size: 0, inodes: 0 }
