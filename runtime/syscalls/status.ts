import type { Moment } from './attributes.ts'
import { checked, libc, resultOrErrno } from './libc.ts'
import { S } from './names.ts'
import { type CString, type Path, pathBytes } from './strings.ts'

const AT_SYMLINK_NOFOLLOW = 0x100
const AT_EMPTY_PATH = 0x1000
const BASIC = 0x7ff

const statxC = libc<[number, CString, number, number, Uint8Array]>(
  'int statx(int directory, const void *path, int flags, uint32_t mask, void *room)',
)
const statfsC = libc<[CString, Uint8Array]>('int statfs(const void *path, void *room)')

/** What statx says of a file. */
export interface Status {
  readonly mode: number
  readonly links: number
  readonly uid: number
  readonly gid: number
  readonly inode: number
  readonly size: number
  readonly modified: Moment
  readonly accessed: Moment
  /** when anything about it was last changed; not for anybody to set */
  readonly changed: Moment
  /** of a device file */
  readonly major: number
  readonly minor: number
  /** the file system it is on, `major:minor` */
  readonly device: string
}

/** The status of a path, or of an open file when the path is empty; of a symbolic link itself. */
export function statx(directory: number, path: Path): Status {
  const room = Buffer.alloc(256)
  checked(statxC(directory, pathBytes(path), AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH, BASIC, room), 'statx')
  return status(room)
}

/** As {@link statx}, but a refusal is the errno negated. */
export function tryStatx(directory: number, path: Path): Status | number {
  const room = Buffer.alloc(256)
  const result = resultOrErrno(statxC(directory, pathBytes(path), AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH, BASIC, room))
  return result < 0 ? result : status(room)
}

export const isDirectory = (of: Status): boolean => (of.mode & S.FMT) === S.DIR

/** The magic number of the file system a path is on, as in statfs(2); overlay is 0x794c7630. */
export function fileSystemType(path: Path): number {
  const room = Buffer.alloc(256)
  checked(statfsC(pathBytes(path), room), 'statfs')
  return room.readUInt32LE(0)
}

function status(room: Buffer): Status {
  return {
    links: room.readUInt32LE(16),
    uid: room.readUInt32LE(20),
    gid: room.readUInt32LE(24),
    mode: room.readUInt16LE(28),
    inode: Number(room.readBigUInt64LE(32)),
    size: Number(room.readBigUInt64LE(40)),
    accessed: moment(room, 64),
    changed: moment(room, 96),
    modified: moment(room, 112),
    major: room.readUInt32LE(128),
    minor: room.readUInt32LE(132),
    device: `${room.readUInt32LE(136)}:${room.readUInt32LE(140)}`,
  }
}

const moment = (room: Buffer, at: number): Moment => ({ seconds: Number(room.readBigInt64LE(at)), nanoseconds: room.readUInt32LE(at + 8) })
