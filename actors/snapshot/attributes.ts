import { errnoOf, fromErrno } from '../../runtime/errno.ts'
import {
  close,
  cstring,
  fchmod,
  fchown,
  fsetxattr,
  futimens,
  lgetxattr,
  llistxattr,
  O,
  openat,
  statx,
} from '../../runtime/syscalls/index.ts'

/** Give directory `to` the owner, mode, attributes and times of directory `from`. */
export function copyAttributes(from: string, to: string): void {
  using opened = new DisposableStack()
  try {
    const source = opened.adopt(openat(-100, from, O.PATH | O.DIRECTORY | O.NOFOLLOW), close)
    const target = opened.adopt(openat(-100, to, O.RDONLY | O.DIRECTORY | O.NOFOLLOW), close)
    takeAttributes(source, target)
  } catch (error) {
    throw fromErrno(error, `give ${to} the attributes of ${from}`)
  }
}

/** As {@link copyAttributes}, of open directories; the first may be open as a path only. */
export function takeAttributes(from: number, to: number): void {
  const status = statx(from, '')
  // Owner first: changing it takes away set-id bits. Times last.
  fchown(to, status.uid, status.gid)
  for (const [name, value] of attributesOf(from)) fsetxattr(to, cstring(Buffer.from(name, 'latin1')), value)
  fchmod(to, status.mode & 0o7777)
  futimens(to, status.accessed, status.modified)
}

/** Whether overlayfs shows nothing of the ancestors of an open directory. */
export function isOpaque(directory: number): boolean {
  for (const space of ['trusted', 'user']) {
    try {
      if (lgetxattr(inside(directory), `${space}.overlay.opaque`).toString() === 'y') return true
    } catch (error) {
      if (!isNone(error)) throw error
    }
  }
  return false
}

/** Extended attributes, but for those of overlayfs, which are about this layer and no other. Names as text of one character a byte. */
function* attributesOf(directory: number): Iterable<[string, Uint8Array]> {
  const at = inside(directory)
  let names: string[]
  try {
    names = llistxattr(at)
  } catch (error) {
    if (isNone(error)) return
    throw error
  }
  for (const name of names) if (!/^(trusted|user)\.overlay\./.test(name)) yield [name, lgetxattr(at, cstring(Buffer.from(name, 'latin1')))]
}

/** A path to an open directory itself, good for calls that take no descriptor, or none that is only a path. */
const inside = (directory: number): string => `/proc/self/fd/${directory}/.`

/** There is no such attribute, or the file system has none at all. */
const isNone = (error: unknown): boolean => ['ENODATA', 'EOPNOTSUPP', 'ENOTSUP'].includes(errnoOf(error) ?? '')
