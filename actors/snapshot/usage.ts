import { lstat, readdir } from 'node:fs/promises'
import { errnoOf, fromErrno } from '../../runtime/errno.ts'
import type { Options, Usage } from './driver.ts'

/**
 * What the tree at `root` takes up: blocks of the disk, not lengths, and a file with several names once. The root itself counts. What disappears
 * meanwhile does not: an active snapshot is in use.
 */
export async function measure(root: string, options: Options = {}): Promise<Usage> {
  const seen = new Set<string>()
  let size = 0
  let inodes = 0
  const directories = [Buffer.from(root)]
  try {
    await count(Buffer.from(root))
    for (let directory = directories.shift(); directory; directory = directories.shift()) {
      options.signal?.throwIfAborted()
      // Names as bytes: they need not be text.
      const entries = await unlessGone(readdir(directory, { withFileTypes: true, encoding: 'buffer' }))
      for (let at = 0; entries && at < entries.length; at += together) {
        options.signal?.throwIfAborted()
        await Promise.all(entries.slice(at, at + together).map((entry) => look(below(directory, entry.name), entry.isDirectory())))
      }
    }
  } catch (error) {
    options.signal?.throwIfAborted()
    throw fromErrno(error, `measure ${root}`)
  }
  return { size, inodes }

  async function look(path: Buffer<ArrayBuffer>, isDirectory: boolean): Promise<void> {
    await count(path)
    if (isDirectory) directories.push(path)
  }

  async function count(path: Buffer): Promise<void> {
    const status = await unlessGone(lstat(path))
    if (!status) return
    const inode = `${status.dev}:${status.ino}`
    if (status.nlink > 1 && !status.isDirectory()) {
      if (seen.has(inode)) return
      seen.add(inode)
    }
    size += status.blocks * 512
    inodes += 1
  }
}

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
