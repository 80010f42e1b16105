import { checked, libc, resultOrErrno } from './libc.ts'
import { type CString, type Path, pathBytes } from './strings.ts'

const ERANGE = -34

const fsetxattrC = libc<[number, CString, Uint8Array, number, number]>(
  'int fsetxattr(int fd, const void *name, const void *value, size_t size, int flags)',
)
const lsetxattrC = libc<[CString, CString, Uint8Array, number, number]>(
  'int lsetxattr(const void *path, const void *name, const void *value, size_t size, int flags)',
)
const lgetxattrC = libc<[CString, CString, Uint8Array, number]>(
  'long lgetxattr(const void *path, const void *name, void *value, size_t size)',
)
const llistxattrC = libc<[CString, Uint8Array, number]>('long llistxattr(const void *path, void *list, size_t size)')
const lremovexattrC = libc<[CString, CString]>('int lremovexattr(const void *path, const void *name)')

/** Set an attribute of an open file; a refusal is the errno negated. */
export const tryFsetxattr = (fd: number, name: Path, value: Uint8Array): number =>
  resultOrErrno(fsetxattrC(fd, pathBytes(name), value, value.length, 0))

/** Set an attribute of an open file. */
export const fsetxattr = (fd: number, name: Path, value: Uint8Array): void =>
  void checked(fsetxattrC(fd, pathBytes(name), value, value.length, 0), 'fsetxattr')

/** Set an attribute of a path; of a symbolic link itself. */
export const lsetxattr = (path: Path, name: Path, value: Uint8Array): void =>
  void checked(lsetxattrC(pathBytes(path), pathBytes(name), value, value.length, 0), 'lsetxattr')

/** As {@link lsetxattr}, but a refusal is the errno negated. */
export const tryLsetxattr = (path: Path, name: Path, value: Uint8Array): number =>
  resultOrErrno(lsetxattrC(pathBytes(path), pathBytes(name), value, value.length, 0))

/** An attribute of a path, of a symbolic link itself. Throws ENODATA when it has no such one. */
export const lgetxattr = (path: Path, name: Path): Buffer => {
  const [at, called] = [pathBytes(path), pathBytes(name)]
  return filled('lgetxattr', (room) => lgetxattrC(at, called, room, room.length))
}

/** Names of a path's attributes, as text of one character a byte. */
export const llistxattr = (path: Path): string[] => {
  const at = pathBytes(path)
  const list = filled('llistxattr', (room) => llistxattrC(at, room, room.length))
  return list.toString('latin1').split('\0').slice(0, -1)
}

export const lremovexattr = (path: Path, name: Path): void => void checked(lremovexattrC(pathBytes(path), pathBytes(name)), 'lremovexattr')

/** Nearly always short: try a small room before the largest the kernel allows. */
function filled(syscall: string, fill: (room: Buffer) => number): Buffer {
  const small = Buffer.alloc(1024)
  const result = resultOrErrno(fill(small))
  if (result >= 0) return small.subarray(0, result)
  const large = Buffer.alloc(result === ERANGE ? 65536 : 1)
  return large.subarray(0, checked(fill(large), syscall))
}
