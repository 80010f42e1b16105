import { errnoOf } from '../../runtime/errno.ts'
import { fchmod, fchmodat, fchown, fchownat, futimens, type Moment, utimensat } from '../../runtime/syscalls/index.ts'
import type { Directory } from './directory.ts'
import type { Ground } from './ground.ts'
import type { Entry } from './tar/entry.ts'
import { setXattrs, setXattrsAt } from './xattrs.ts'

/**
 * Owner, attributes, mode and times of a file whose contents are written, in the order that keeps all of them: giving a file away clears
 * setuid and capabilities, and so does writing to it.
 */
export function finishFile(ground: Ground, fd: number, parent: Directory, entry: Entry): void {
  const given = !mustChown(ground, parent, entry) || give(ground, entry, () => fchown(fd, entry.uid, entry.gid))
  setXattrs(ground, fd, entry)
  if (mustChmod(ground, entry)) fchmod(fd, given ? entry.mode : harmless(ground, entry))
  futimens(fd, ...timesOf(entry))
}

/** The same of a device or a fifo, which is not opened. It was just made here, so it is no link that would be followed. */
export function finishNode(ground: Ground, parent: Directory, base: string, entry: Entry): void {
  const at = ground.tree.fd(parent)
  if (mustChown(ground, parent, entry)) give(ground, entry, () => fchownat(at, ground.name(base), entry.uid, entry.gid))
  setXattrsAt(ground, at, base, entry)
  if (mustChmod(ground, entry)) fchmodat(at, ground.name(base), entry.mode)
  utimensat(at, ground.name(base), ...timesOf(entry))
}

/** The same of a symbolic link, which has no mode. */
export function finishSymlink(ground: Ground, parent: Directory, base: string, entry: Entry): void {
  const at = ground.tree.fd(parent)
  if (mustChown(ground, parent, entry)) give(ground, entry, () => fchownat(at, ground.name(base), entry.uid, entry.gid))
  setXattrsAt(ground, at, base, entry)
  utimensat(at, ground.name(base), ...timesOf(entry))
}

/** The same of a directory, but for its times: those are set when everything in it is there. */
export function finishDirectory(ground: Ground, directory: Directory, entry: Entry, made: boolean): void {
  const { parent } = directory
  const [accessed, modified] = timesOf(entry)
  directory.times = { accessed, modified }
  directory.setgid = (entry.mode & 0o2000) !== 0
  // one that its owner may not write to could not be filled
  const shut = !ground.powers.enters && (entry.mode & 0o700) !== 0o700
  directory.mode = shut ? entry.mode : undefined
  const chown = !made || parent === undefined || mustChown(ground, parent, entry)
  const chmod = !made || mustChmod(ground, entry) || parent?.setgid === true
  if (!chown && !chmod && entry.xattrs === undefined) return
  const fd = ground.tree.fd(directory)
  if (chown) give(ground, entry, () => fchown(fd, entry.uid, entry.gid))
  setXattrs(ground, fd, entry)
  if (chmod) fchmod(fd, shut ? entry.mode | 0o700 : entry.mode)
}

/** Times of all directories that are described, or were there before, and the modes they could not have yet. After everything else, and from below: what is shut stays shut. */
export function finishDirectories(ground: Ground): void {
  for (const directory of [...ground.tree.root.all()].reverse()) {
    const times = directory.times ?? directory.found
    if (times === undefined) continue
    if (directory.mode !== undefined) fchmod(ground.tree.fd(directory), directory.mode)
    if (directory.parent === undefined) futimens(directory.fd, times.accessed, times.modified)
    else utimensat(ground.tree.fd(directory.parent), ground.name(directory.name), times.accessed, times.modified)
  }
}

/** The mode to create with; the rest of the bits is for later. Attributes are given only to what may be written to. */
export const creationMode = ({ powers }: Ground, { mode, xattrs }: Entry): number =>
  (mode & 0o777) | (powers.enters || xattrs === undefined ? 0 : 0o600)

const mustChown = ({ powers }: Ground, parent: Directory, { uid, gid }: Entry): boolean =>
  uid !== powers.uid || gid !== powers.gid || parent.setgid

/** Give what was made to its owner; whether it is his. */
function give({ powers, lose }: Ground, { name, uid, gid }: Entry, change: () => void): boolean {
  const may = powers.gives || (uid === powers.uid && (gid === powers.gid || powers.groups.includes(gid)))
  if (may) {
    try {
      change()
      return true
    } catch (error) {
      // EINVAL: an owner the user namespace does not know
      if (powers.all || !['EPERM', 'EINVAL'].includes(errnoOf(error) ?? '')) throw error
    }
  }
  const owner = `owner ${uid}:${gid}, here and wherever it is the same`
  lose(name, owner, owner)
  return false
}

/** To run as whoever applies the layer is not what a program was meant for. */
function harmless({ lose }: Ground, { name, mode }: Entry): number {
  if ((mode & 0o6000) !== 0) lose(name, `setuid or setgid of mode ${mode.toString(8)}, its owner being another`)
  return mode & 0o1777
}

const mustChmod = ({ powers, inherits, fresh }: Ground, { mode, xattrs }: Entry): boolean =>
  (mode & 0o7000) !== 0 || (mode & powers.umask) !== 0 || inherits || !fresh || (xattrs !== undefined && !powers.enters)

/** Last access and change. Times a kernel might not keep are 1970; access is not before change. */
function timesOf({ accessed, modified }: Entry): [Moment, Moment] {
  const changed = bounded(modified)
  const used = accessed === undefined ? changed : bounded(accessed)
  return [isBefore(used, changed) ? changed : used, changed]
}

/** A time as it is kept: what a kernel might not keep is 1970. */
export const bounded = (moment: Moment): Moment => (moment.seconds < 0 || moment.seconds >= latest ? epoch : moment)
const isBefore = (a: Moment, b: Moment): boolean => a.seconds < b.seconds || (a.seconds === b.seconds && a.nanoseconds < b.nanoseconds)
const epoch: Moment = { seconds: 0, nanoseconds: 0 }
/** the year 2262: nanoseconds since 1970 in 63 bits */
const latest = 9223372036
