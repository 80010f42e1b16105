import { checked, libc, resultOrErrno } from './libc.ts'
import { type CString, type Path, pathBytes } from './strings.ts'

/** Kind bits of a mode. */
export const S = {
  FMT: 0o170000,
  SOCK: 0o140000,
  LNK: 0o120000,
  REG: 0o100000,
  BLK: 0o060000,
  DIR: 0o040000,
  CHR: 0o020000,
  FIFO: 0o010000,
} as const

const AT_FDCWD = -100
const AT_REMOVEDIR = 0x200
const RENAME_EXCHANGE = 2

const mkdiratC = libc<[number, CString, number]>('int mkdirat(int directory, const void *path, uint32_t mode)')
const mknodatC = libc<[number, CString, number, number]>('int mknodat(int directory, const void *path, uint32_t mode, uint64_t device)')
const symlinkatC = libc<[CString, number, CString]>('int symlinkat(const void *target, int directory, const void *path)')
const linkatC = libc<[number, CString, number, CString, number]>(
  'int linkat(int from, const void *existing, int to, const void *path, int flags)',
)
const unlinkatC = libc<[number, CString, number]>('int unlinkat(int directory, const void *path, int flags)')
const renameatC = libc<[number, CString, number, CString]>('int renameat(int from, const void *path, int to, const void *other)')
const renameat2C = libc<[number, CString, number, CString, number]>(
  'int renameat2(int from, const void *path, int to, const void *other, uint32_t flags)',
)
const readlinkatC = libc<[number, CString, Uint8Array, number]>('long readlinkat(int directory, const void *path, void *room, size_t size)')

export const mkdirat = (directory: number, path: Path, mode: number): void =>
  void checked(mkdiratC(directory, pathBytes(path), mode), 'mkdirat')

/** As {@link mkdirat}, but a refusal is the errno negated. */
export const tryMkdirat = (directory: number, path: Path, mode: number): number => resultOrErrno(mkdiratC(directory, pathBytes(path), mode))

/** Make a device, a fifo or a socket: `mode` has the kind, {@link S}. Fails with EINVAL for numbers the kernel cannot keep (12 and 20 bits). */
export const mknodat = (directory: number, path: Path, mode: number, major = 0, minor = 0): void =>
  void checked(tryMknodatC(directory, path, mode, major, minor), 'mknodat')

/** As {@link mknodat}, but a refusal is the errno negated. */
export const tryMknodat = (directory: number, path: Path, mode: number, major = 0, minor = 0): number =>
  resultOrErrno(tryMknodatC(directory, path, mode, major, minor))

const tryMknodatC = (directory: number, path: Path, mode: number, major: number, minor: number): number =>
  mknodatC(directory, pathBytes(path), mode, device(major, minor))

/** Make a symbolic link holding `target` as it is. */
export const symlinkat = (target: Path, directory: number, path: Path): void =>
  void checked(symlinkatC(pathBytes(target), directory, pathBytes(path)), 'symlinkat')

/** As {@link symlinkat}, but a refusal is the errno negated. */
export const trySymlinkat = (target: Path, directory: number, path: Path): number =>
  resultOrErrno(symlinkatC(pathBytes(target), directory, pathBytes(path)))

/** Make a hard link; a symbolic link is linked itself, not what it points to. */
export const linkat = (from: number, existing: Path, to: number, path: Path): void =>
  void checked(linkatC(from, pathBytes(existing), to, pathBytes(path), 0), 'linkat')

/** As {@link linkat}, but a refusal is the errno negated. */
export const tryLinkat = (from: number, existing: Path, to: number, path: Path): number =>
  resultOrErrno(linkatC(from, pathBytes(existing), to, pathBytes(path), 0))

/** Remove a name that is not a directory. */
export const unlinkat = (directory: number, path: Path): void => void checked(unlinkatC(directory, pathBytes(path), 0), 'unlinkat')

/** As {@link unlinkat}, but a refusal is the errno negated. */
export const tryUnlinkat = (directory: number, path: Path): number => resultOrErrno(unlinkatC(directory, pathBytes(path), 0))

/** Remove an empty directory. */
export const rmdirat = (directory: number, path: Path): void => void checked(unlinkatC(directory, pathBytes(path), AT_REMOVEDIR), 'rmdir')

export const renameat = (from: number, path: Path, to: number, other: Path): void =>
  void checked(renameatC(from, pathBytes(path), to, pathBytes(other)), 'renameat')

/** Exchange two paths in one step. Fails with EINVAL where the file system cannot. */
export const renameExchange = (path: Path, other: Path): void =>
  void checked(renameat2C(AT_FDCWD, pathBytes(path), AT_FDCWD, pathBytes(other), RENAME_EXCHANGE), 'renameat2')

/** What a symbolic link holds, as bytes. */
export function readlinkat(directory: number, path: Path): Buffer {
  const room = Buffer.alloc(4096)
  return room.subarray(0, checked(readlinkatC(directory, pathBytes(path), room, room.length), 'readlinkat'))
}

/** glibc's device number; below 2^53 for everything the kernel accepts. */
function device(major: number, minor: number): number {
  return (minor & 0xff) + (major & 0xfff) * 0x100 + (minor >>> 8) * 0x100000 + Math.floor(major / 0x1000) * 0x100000000000
}
