import { readdirSync } from 'node:fs'
import { close, fchmodat, nameRoom, O, openat, rmdirat, S, tryStatx, tryUnlinkat, unlinkat } from '../../runtime/syscalls/index.ts'

const EISDIR = -21
const ENOENT = -2

/** Names in an open directory, latin1. */
export const namesIn = (fd: number): string[] =>
  // the descriptor itself may be shared: reading through it would move its position
  readdirSync(`/proc/self/fd/${fd}`, { encoding: 'buffer' }).map((name) => name.toString('latin1'))

/** Remove a name and everything below, following nothing. Whether there was anything. */
export function removeAt(parent: number, name: string): boolean {
  const result = tryUnlinkat(parent, room.write(name))
  if (result === 0) return true
  if (result === ENOENT) return false
  if (result !== EISDIR && !isDirectory(parent, name)) unlinkat(parent, room.write(name))
  emptyAt(parent, name)
  rmdirat(parent, room.write(name))
  return true
}

function emptyAt(parent: number, name: string): void {
  // what its owner may not look into goes all the same; just seen to be a directory
  if (process.geteuid?.() !== 0) fchmodat(parent, room.write(name), 0o700)
  const fd = openat(parent, room.write(name), O.RDONLY | O.DIRECTORY | O.NOFOLLOW)
  try {
    for (const inside of namesIn(fd)) removeAt(fd, inside)
  } finally {
    close(fd)
  }
}

/** Some file systems answer EPERM for a directory. */
function isDirectory(parent: number, name: string): boolean {
  const status = tryStatx(parent, room.write(name))
  return typeof status !== 'number' && (status.mode & S.FMT) === S.DIR
}

const room = nameRoom()
