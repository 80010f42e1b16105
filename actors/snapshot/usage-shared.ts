import { fstatSync } from 'node:fs'
import { errnoOf } from '../../runtime/errno.ts'
import { close, cstring, extentsOf, O, tryOpenat } from '../../runtime/syscalls/index.ts'

/** A stretch of a file system: from, to. */
export type Piece = readonly [number, number]

/** The data of a file. */
export interface Parts {
  /** bytes nobody else has */
  readonly own: number
  /** where that lies which others have too */
  readonly shared: readonly Piece[]
}

/** Of a file; undefined where the file system does not tell, or not this user, or the file is gone. */
export async function partsOf(path: Uint8Array): Promise<Parts | undefined> {
  // It was looked at just now, so nothing here waits for a disk.
  const fd = tryOpenat(-100, cstring(path), O.RDONLY | O.NOFOLLOW | O.NONBLOCK)
  if (fd < 0) return undefined
  try {
    const shared = (await extentsOf(fd)).filter((extent) => extent.shared)
    const elsewhere = shared.reduce((sum, { length }) => sum + length, 0)
    // Blocks may be more than the data: room taken ahead, and what describes it.
    return {
      own: Math.max(0, fstatSync(fd).blocks * 512 - elsewhere),
      shared: shared.map(({ physical, length }) => [physical, physical + length]),
    }
  } catch (error) {
    if (!untold.includes(errnoOf(error) ?? '')) throw error
    return undefined
  } finally {
    close(fd)
  }
}

const untold = ['EOPNOTSUPP', 'ENOTSUP', 'ENOTTY', 'EINVAL', 'EBADR']

/** How much the pieces cover that the ground does not. Either may overlap itself. */
export const lengthBeyond = (pieces: readonly Piece[], ground: readonly Piece[]): number =>
  covered([...pieces, ...ground]) - covered(ground)

function covered(pieces: readonly Piece[]): number {
  let length = 0
  let end = 0
  for (const [from, to] of pieces.toSorted(([one], [other]) => one - other)) {
    length += Math.max(0, to - Math.max(from, end))
    end = Math.max(end, to)
  }
  return length
}
