import { fstatSync, statfsSync } from 'node:fs'
import { errnoOf } from './errno.ts'
import { reserve, reserveAsync } from './syscalls/index.ts'

/** An open file, as far as its room goes. */
export interface Roomy {
  readonly fd: number
  truncate(size: number): Promise<void>
}

/** Say that so many bytes are about to be written. Throws ENOSPC, as the system would, when that would take what is to be left. */
export type Spend = (bytes: number) => void

/** Left on any disk, unless that is more than an eighth of it. */
const leftBytes = 16 * 2 ** 20
const stepBytes = 2 ** 20

/**
 * Leave a little of a file system for others: what frees a full disk has to be written down first, and servers beside us do not take it well to find none. Looked at once every MiB, so
 * several who write at once may come a few MiB closer than meant. Room that the open file, if one is given, has beyond its end was taken before and is there to be written.
 */
export function leavingRoom(directory: string, file?: number): Spend {
  let free = 0
  return (bytes) => {
    free -= bytes
    if (free >= 0) return
    const room = roomIn(directory) + (file === undefined ? 0 : takenBy(fstatSync(file)))
    if (room < bytes) throw full()
    free = Math.min(room, stepBytes) - bytes
  }
}

/**
 * Take the room for a file that is to have `total` bytes, without making it longer. Throws ENOSPC when the disk, with what is to be left of it, has not as much, and takes
 * none then. Where the file system cannot do that, it is only looked at. What is small takes none: asking for it
 * costs as much as writing it (a tenth of a millisecond, a thread away), while for what is large it makes the writing a third cheaper.
 */
export async function takeRoom(file: Roomy, { directory, total }: { directory: string; total?: number | undefined }): Promise<void> {
  if (total === undefined || total < smallBytes) return
  const { size, blocks } = fstatSync(file.fd)
  const more = total - Math.max(size, blocks * blockBytes)
  if (more <= 0) return
  if (roomIn(directory) < more) throw full()
  try {
    // Another thread is asked only where it may take long.
    if (more <= atOnceBytes) reserve(file.fd, total)
    else await reserveAsync(file.fd, total)
  } catch (error) {
    // It may have got some of it before the disk was full.
    await file.truncate(size)
    if (!cannot.includes(errnoOf(error) ?? '')) throw error
  }
}

/** Give back room a file has beyond its end. */
export async function giveBack(file: Roomy, total: number | undefined): Promise<void> {
  if (total === undefined || total < smallBytes) return
  const { size } = fstatSync(file.fd)
  if (size < total) await file.truncate(size)
}

const smallBytes = 2 ** 20
const atOnceBytes = 8 * 2 ** 20
/** `st_blocks` counts these, whatever the file system's own are. */
const blockBytes = 512
const cannot = ['EOPNOTSUPP', 'ENOTSUP', 'ENOSYS', 'EINVAL']

function roomIn(directory: string): number {
  const { bavail, blocks, bsize } = statfsSync(directory)
  return bavail * bsize - Math.min(leftBytes, (blocks * bsize) / 8)
}

const takenBy = ({ size, blocks }: { size: number; blocks: number }): number => Math.max(0, blocks * blockBytes - size)

const full = () => Object.assign(new Error('no space left on device'), { code: 'ENOSPC' })
