import { constants } from 'node:fs'
import { checked, libc, onPool, resultOrErrno, SystemError } from './libc.ts'
import { type CString, type Path, pathBytes } from './strings.ts'

/** Flags of open, right for this processor. */
export const O = {
  RDONLY: constants.O_RDONLY,
  WRONLY: constants.O_WRONLY,
  RDWR: constants.O_RDWR,
  CREAT: constants.O_CREAT,
  EXCL: constants.O_EXCL,
  TRUNC: constants.O_TRUNC,
  APPEND: constants.O_APPEND,
  DIRECTORY: constants.O_DIRECTORY,
  NOFOLLOW: constants.O_NOFOLLOW,
  NONBLOCK: constants.O_NONBLOCK,
  NOATIME: constants.O_NOATIME,
  PATH: 0o10000000,
  CLOEXEC: 0o2000000,
} as const

/** How openat2 resolves a path. */
export const RESOLVE = { NO_XDEV: 0x01, NO_MAGICLINKS: 0x02, NO_SYMLINKS: 0x04, BENEATH: 0x08, IN_ROOT: 0x10 } as const

/** In place of a directory's descriptor: the working directory; absolute paths are absolute. */
export const AT_FDCWD = -100

const openatC = libc<[number, CString, number, number]>('int openat(int directory, const void *path, int flags, uint32_t mode)')
const syscallOpenat2 = libc<[number, number, CString, Uint8Array, number]>(
  'long syscall(long number, long directory, const void *path, void *how, size_t size)',
)
const closeC = libc<[number]>('int close(int fd)')
const writeC = libc<[number, Uint8Array, number]>('long write(int fd, const void *bytes, size_t length)')
const pwriteC = libc<[number, Uint8Array, number, number]>('long pwrite(int fd, const void *bytes, size_t length, int64_t offset)')
const fsyncC = libc<[number]>('int fsync(int fd)')
const syncfsC = libc<[number]>('int syncfs(int fd)')
const fallocateC = libc<[number, number, number, number]>('int fallocate(int fd, int mode, int64_t offset, int64_t length)')
const flockC = libc<[number, number]>('int flock(int fd, int operation)')

/** Open, close-on-exec. The descriptor is the caller's to close. */
export const openat = (directory: number, path: Path, flags: number, mode = 0): number =>
  checked(openatC(directory, pathBytes(path), flags | O.CLOEXEC, mode), 'openat')

/** As {@link openat}, but a refusal is the errno negated. */
export const tryOpenat = (directory: number, path: Path, flags: number, mode = 0): number =>
  resultOrErrno(openatC(directory, pathBytes(path), flags | O.CLOEXEC, mode))

/** Open with a say in how the path is resolved, {@link RESOLVE}; a refusal is the errno negated. Linux 5.6. */
export function tryOpenat2(directory: number, path: Path, how: { flags: number; mode?: number; resolve: number }): number {
  const struct = new BigUint64Array([BigInt(how.flags | O.CLOEXEC), BigInt(how.mode ?? 0), BigInt(how.resolve)])
  return resultOrErrno(syscallOpenat2(437, directory, pathBytes(path), new Uint8Array(struct.buffer), 24))
}

/** As {@link tryOpenat2}, but throws. */
export function openat2(directory: number, path: Path, how: { flags: number; mode?: number; resolve: number }): number {
  const struct = new BigUint64Array([BigInt(how.flags | O.CLOEXEC), BigInt(how.mode ?? 0), BigInt(how.resolve)])
  return checked(syscallOpenat2(437, directory, pathBytes(path), new Uint8Array(struct.buffer), 24), 'openat2')
}

export const close = (fd: number): void => void checked(closeC(fd), 'close')

/** Write all of `bytes` where the descriptor stands. */
export function write(fd: number, bytes: Uint8Array): void {
  let done = checked(writeC(fd, bytes, bytes.length), 'write')
  while (done < bytes.length) {
    const rest = bytes.subarray(done)
    done += checked(writeC(fd, rest, rest.length), 'write')
  }
}

/** Write all of `bytes` at `offset`. */
export function pwrite(fd: number, bytes: Uint8Array, offset: number): void {
  for (let done = 0; done < bytes.length; ) {
    const rest = bytes.subarray(done)
    done += checked(pwriteC(fd, rest, rest.length, offset + done), 'pwrite')
  }
}

/** See to it that the first `length` bytes of a file can be written though the disk fills up; its size stays. */
export const reserve = (fd: number, length: number): void => void checked(fallocateC(fd, keepSize, 0, length), 'fallocate')

/** As {@link reserve}, on a thread of the pool: a large file on a fragmented disk takes a while. */
export const reserveAsync = (fd: number, length: number): Promise<void> => onPool(fallocateC, 'fallocate', fd, keepSize, 0, length)

const keepSize = 1

/** Flush a file or a directory to disk. */
export const fsync = (fd: number): void => void checked(fsyncC(fd), 'fsync')

/** Flush the whole file system the descriptor is on. Blocks for as long as that takes. */
export const syncfs = (fd: number): void => void checked(syncfsC(fd), 'syncfs')

/** Flush the whole file system the descriptor is on, on a thread of the pool. */
export const syncfsAsync = (fd: number): Promise<void> => onPool(syncfsC, 'syncfs', fd)

/** Take the exclusive lock of an open file if nobody has it; whether it was free. It is held until the file is closed, or {@link unlock}. */
export const flock = (fd: number): boolean => tryFlock(fd, 2)

/** As {@link flock}, to be held by any number at once, but not beside the exclusive one. */
export const flockShared = (fd: number): boolean => tryFlock(fd, 1)

/** Give back the lock of an open file. */
export const unlock = (fd: number): void => void checked(flockC(fd, 8), 'flock')

const atOnce = 4

function tryFlock(fd: number, operation: number): boolean {
  const result = resultOrErrno(flockC(fd, operation | atOnce))
  if (result === 0) return true
  if (result === -11) return false
  throw new SystemError(-result, 'flock')
}

/** Take the exclusive lock of an open file, waiting on a thread of the pool for as long as another has it. */
export const flockAsync = (fd: number): Promise<void> => onPool(flockC, 'flock', fd, 2)
