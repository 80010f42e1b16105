import { statfsSync } from 'node:fs'

/** Say that so many bytes are about to be written. Throws ENOSPC, as the system would, when that would take what is to be left. */
export type Spend = (bytes: number) => void

/** Left on any disk, unless that is more than an eighth of it. */
const leftBytes = 16 * 2 ** 20
const stepBytes = 2 ** 20

/**
 * Leave a little of a file system for others: what frees a full disk has to be written down first, and servers beside us do not take it well to find none. Looked at once every MiB, so
 * several who write at once may come a few MiB closer than meant.
 */
export function leavingRoom(directory: string): Spend {
  let free = 0
  return (bytes) => {
    free -= bytes
    if (free >= 0) return
    const { bavail, blocks, bsize } = statfsSync(directory)
    const room = bavail * bsize - Math.min(leftBytes, (blocks * bsize) / 8)
    if (room < bytes) throw Object.assign(new Error('no space left on device'), { code: 'ENOSPC' })
    free = Math.min(room, stepBytes)
  }
}
