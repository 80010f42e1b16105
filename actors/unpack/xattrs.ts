import { fromErrno } from '../../runtime/errno.ts'
import { nameRoom, SystemError, tryFsetxattr, tryLsetxattr } from '../../runtime/syscalls/index.ts'
import type { Ground } from './ground.ts'
import { invalid, quoted } from './invalid.ts'
import type { Entry } from './tar/entry.ts'

const ENOTSUP = -95
/** EPERM, EACCES: not by this user, or not of such a file */
const refusals = new Set([-1, -13])
/** EINVAL, ERANGE, E2BIG: no such attribute can be, by name or value */
const senseless = new Set([-22, -34, -7])

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
      ground.lose(of, `attribute ${quoted(name)}, which is the host's to set`)
      continue
    }
    if (name === 'system.posix_acl_default') ground.inherits = true
    yield [name, value]
  }
}

function judge(ground: Ground, entry: Entry, name: string, result: number): void {
  if (result >= 0) return
  const plain = entry.kind === 'file' || entry.kind === 'directory'
  const tolerable = refusals.has(result) && (!ground.powers.all || (!plain && name.startsWith('user.')))
  if (result === ENOTSUP || tolerable) ground.lose(entry.name, `attribute ${quoted(name)}, which cannot be kept here`)
  else if (senseless.has(result)) throw invalid(`${quoted(entry.name)}: attribute ${quoted(name)} is none`)
  else throw fromErrno(new SystemError(-result, 'setxattr'), `apply ${quoted(entry.name)}: set attribute ${quoted(name)}`)
}

const room = nameRoom()
