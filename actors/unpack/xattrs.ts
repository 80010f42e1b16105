import { fromErrno } from '../../runtime/errno.ts'
import { nameRoom, SystemError, tryFsetxattr, tryLsetxattr } from '../../runtime/syscalls/index.ts'
import type { Ground } from './ground.ts'
import { quoted } from './invalid.ts'
import type { Entry } from './tar/entry.ts'

const ENOTSUP = -95
const EPERM = -1

/** Give an open file the extended attributes of an entry. */
export function setXattrs(ground: Ground, fd: number, entry: Entry): void {
  if (entry.xattrs === undefined) return
  for (const [name, value] of kept(ground, entry)) judge(ground, entry, name, tryFsetxattr(fd, room.write(name), value))
}

/** Give what cannot be opened (a link, a device) the extended attributes of an entry. */
export function setXattrsAt(ground: Ground, parent: number, base: string, entry: Entry): void {
  if (entry.xattrs === undefined) return
  for (const [name, value] of kept(ground, entry))
    judge(ground, entry, name, tryLsetxattr(ground.name(`/proc/self/fd/${parent}/${base}`), room.write(name), value))
}

/** `trusted.*` and `user.overlay.*` would let a layer speak to overlayfs; they are the host's to set. */
function* kept(ground: Ground, { name: of, xattrs }: Entry): Iterable<[string, Uint8Array]> {
  for (const [name, value] of xattrs ?? []) {
    if (name.startsWith('trusted.') || name.startsWith('user.overlay.')) {
      ground.warn(`${quoted(of)}: attribute ${quoted(name)} is the host's to set`)
      continue
    }
    if (name === 'system.posix_acl_default') ground.inherits = true
    yield [name, value]
  }
}

function judge(ground: Ground, entry: Entry, name: string, result: number): void {
  if (result >= 0) return
  const plain = entry.kind === 'file' || entry.kind === 'directory'
  const tolerable = result === EPERM && (!ground.privileged || (!plain && name.startsWith('user.')))
  if (result === ENOTSUP || tolerable) ground.warn(`${quoted(entry.name)}: attribute ${quoted(name)} cannot be kept here`)
  else throw fromErrno(new SystemError(-result, 'setxattr'), `apply ${quoted(entry.name)}: set attribute ${quoted(name)}`)
}

const room = nameRoom()
