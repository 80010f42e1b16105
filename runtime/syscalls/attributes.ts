import { checked, libc, resultOrErrno } from './libc.ts'
import { type CString, type Path, pathBytes } from './strings.ts'

const AT_SYMLINK_NOFOLLOW = 0x100
const AT_EMPTY_PATH = 0x1000

const fchownatC = libc<[number, CString, number, number, number]>(
  'int fchownat(int directory, const void *path, uint32_t uid, uint32_t gid, int flags)',
)
const fchownC = libc<[number, number, number]>('int fchown(int fd, uint32_t uid, uint32_t gid)')
const fchmodC = libc<[number, number]>('int fchmod(int fd, uint32_t mode)')
const fchmodatC = libc<[number, CString, number, number]>('int fchmodat(int directory, const void *path, uint32_t mode, int flags)')
const futimensC = libc<[number, Uint8Array]>('int futimens(int fd, const void *times)')
const utimensatC = libc<[number, CString, Uint8Array, number]>(
  'int utimensat(int directory, const void *path, const void *times, int flags)',
)
const empty = pathBytes('')

/** A moment: whole seconds since 1970 and nanoseconds beyond them. */
export interface Moment {
  readonly seconds: number
  readonly nanoseconds: number
}

/** Give `path` an owner; a symbolic link itself, not what it points to. */
export const fchownat = (directory: number, path: Path, uid: number, gid: number): void =>
  void checked(fchownatC(directory, pathBytes(path), uid, gid, AT_SYMLINK_NOFOLLOW), 'fchownat')

/** Give an open file an owner; also works on a descriptor that is only a path. */
export const fchown = (fd: number, uid: number, gid: number): void => {
  const result = resultOrErrno(fchownC(fd, uid, gid))
  if (result === 0) return
  checked(fchownatC(fd, empty, uid, gid, AT_EMPTY_PATH), 'fchown')
}

/** Set permission bits of an open file. */
export const fchmod = (fd: number, mode: number): void => void checked(fchmodC(fd, mode), 'fchmod')

/** Set permission bits by path. **Follows a symbolic link** in the last place: only for what is known to be none. */
export const fchmodat = (directory: number, path: Path, mode: number): void =>
  void checked(fchmodatC(directory, pathBytes(path), mode, 0), 'fchmodat')

/** Set the times of an open file. */
export const futimens = (fd: number, accessed: Moment, modified: Moment): void =>
  void checked(futimensC(fd, timespecs(accessed, modified)), 'futimens')

/** Set the times of a path; of a symbolic link itself. */
export const utimensat = (directory: number, path: Path, accessed: Moment, modified: Moment): void =>
  void checked(utimensatC(directory, pathBytes(path), timespecs(accessed, modified), AT_SYMLINK_NOFOLLOW), 'utimensat')

const room = new Float64Array(4)
const words = new Uint32Array(room.buffer)
const bytes = new Uint8Array(room.buffer)

/** Two timespecs, in a room used again: the kernel has read it before the next call. */
function timespecs(accessed: Moment, modified: Moment): Uint8Array {
  put(0, accessed)
  put(4, modified)
  return bytes
}

function put(at: number, moment: Moment): void {
  words[at] = moment.seconds >>> 0
  words[at + 1] = Math.floor(moment.seconds / 0x100000000)
  words[at + 2] = moment.nanoseconds
  words[at + 3] = 0
}
