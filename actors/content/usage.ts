import { type Dirent, promises as fs } from 'node:fs'
import { join } from 'node:path'
import { setImmediate } from 'node:timers/promises'
import type { Info } from '../../messages/content.ts'
import type { Blobs } from '../../runtime/blobs.ts'
import { errnoOf, fromErrno } from '../../runtime/errno.ts'
import type { Table } from '../../runtime/tables.ts'

export interface UsageComponents {
  readonly contents: Table<Info>
  readonly blobs: Pick<Blobs, 'directory' | 'ingests'>
}

/** How many there are, and bytes. */
export interface Amount {
  count: number
  size: number
}

/** What blobs and unfinished ingests take up now, and what is left on their disk. What comes or goes meanwhile may or may not count. */
export async function measureUsage(
  { contents, blobs }: UsageComponents,
  { signal }: { signal: AbortSignal },
): Promise<{ blobs: Amount; ingests: Amount; free: number }> {
  signal.throwIfAborted()
  try {
    const { bavail, bsize } = await fs.statfs(blobs.directory)
    return { blobs: await ofBlobs(contents, signal), ingests: await ofIngests(blobs.ingests, signal), free: bavail * bsize }
  } catch (error) {
    signal.throwIfAborted()
    throw fromErrno(error, `measure ${blobs.directory}`)
  }
}

/** Records looked at before others have their turn. */
const slice = 1024

async function ofBlobs(contents: Table<Info>, signal: AbortSignal): Promise<Amount> {
  const amount = { count: 0, size: 0 }
  for (let after: string | undefined, begun = -1; begun < amount.count; await setImmediate()) {
    signal.throwIfAborted()
    begun = amount.count
    for (const { key, value } of contents.range({ after, limit: slice })) {
      after = key
      amount.count++
      amount.size += value.size
    }
  }
  return amount
}

/** Blocks of the disk, not lengths: room may be taken beforehand. */
async function ofIngests(directory: string, signal: AbortSignal): Promise<Amount> {
  const amount = { count: 0, size: 0 }
  for (const entry of await list(directory)) {
    signal.throwIfAborted()
    const at = join(directory, entry.name)
    if (entry.isDirectory()) amount.count++
    const files = entry.isDirectory() ? (await list(at)).map(({ name }) => join(at, name)) : [at]
    for (const file of files) amount.size += await blocksOf(file)
  }
  return amount
}

const list = (directory: string): Promise<Dirent[]> => unlessGone(fs.readdir(directory, { withFileTypes: true }), [])
const blocksOf = (path: string): Promise<number> =>
  unlessGone(
    fs.lstat(path).then(({ blocks }) => blocks * 512),
    0,
  )

/** It was committed or thrown away meanwhile. */
const unlessGone = <T>(promise: Promise<T>, nothing: T): Promise<T> =>
  promise.catch((error: unknown) => {
    if (errnoOf(error) === 'ENOENT') return nothing
    throw error
  })
