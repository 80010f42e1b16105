import { readSync } from 'node:fs'
import { errnoOf, fromErrno } from '../../../runtime/errno.ts'
import { close, type Moment, nameRoom, O, readlinkat, S, type Status, SystemError, tryOpenat } from '../../../runtime/syscalls/index.ts'
import type { Directory } from '../directory.ts'
import { quoted } from '../invalid.ts'
import type { Tree } from '../tree.ts'
import type { Pause } from './change.ts'
import { sameXattrs, xattrsOf } from './xattrs.ts'

/** A name in a directory of one of the trees, and what it is. */
export interface Side {
  readonly tree: Tree
  readonly directory: Directory
  readonly name: string
  readonly status: Status
}

/**
 * Whether two things are the same to a layer: kind, mode, owner, time, device, link, attributes, contents; of directories not what is in them.
 *
 * Layers tell times in whole seconds, so a time without a fraction is that of any moment of its second; contents of the same size are compared unless the times say, to
 * the nanosecond, that nobody wrote, and are not so fresh that the clock may have stood still between one writing and the next. `sure`: they are compared then as well.
 */
export async function same(upper: Side, lower: Side, { pause, sure }: { pause: Pause; sure: boolean }): Promise<boolean> {
  const [one, other] = [upper.status, lower.status]
  if (!sameStatus(one, other)) return false
  if (isSameInode(one, other)) return true
  if (!sameXattrs(xattrsOf(upper.tree, upper.directory, upper.name), xattrsOf(lower.tree, lower.directory, lower.name))) return false
  const kind = one.mode & S.FMT
  if (kind === S.LNK) return linkOf(upper).equals(linkOf(lower))
  if (kind !== S.REG || one.size === 0) return true
  if (!sure && isExact(one.modified) && isExact(other.modified) && !isFresh(one)) return true
  return await sameContents(upper, lower, pause)
}

/** Whether owner, mode and attributes of two roots are the same; their times are those of what came and went in them. */
export function sameRoot(one: Side, other: Side | undefined): boolean {
  const { mode, uid, gid } = other?.status ?? bare
  const { status } = one
  if (status.mode !== mode || status.uid !== uid || status.gid !== gid) return false
  const below = other === undefined ? new Map() : xattrsOf(other.tree, other.directory, '')
  return sameXattrs(xattrsOf(one.tree, one.directory, ''), below)
}

/** The root of nothing. */
const bare = { mode: S.DIR | 0o755, uid: process.geteuid?.() ?? 0, gid: process.getegid?.() ?? 0 }

function sameStatus(one: Status, other: Status): boolean {
  if (one.mode !== other.mode || one.uid !== other.uid || one.gid !== other.gid) return false
  if (one.major !== other.major || one.minor !== other.minor) return false
  if ((one.mode & S.FMT) === S.REG && one.size !== other.size) return false
  return sameTime(one.modified, other.modified)
}

/** The kernel tells time in steps of some milliseconds: what was written last just before it was copied may have been written again in the same step. */
const isFresh = ({ changed, modified }: Status): boolean => changed.seconds - modified.seconds <= 1

const isExact = ({ nanoseconds }: Moment): boolean => nanoseconds !== 0

const sameTime = (one: Moment, other: Moment): boolean =>
  one.seconds === other.seconds && (one.nanoseconds === other.nanoseconds || !isExact(one) || !isExact(other))

/** One file seen in both trees, as in two btrfs snapshots or two overlay mounts: nobody can set when it was last changed. */
const isSameInode = (one: Status, other: Status): boolean =>
  one.inode === other.inode &&
  one.changed.seconds === other.changed.seconds &&
  one.changed.nanoseconds === other.changed.nanoseconds &&
  isExact(one.changed)

/** What a symbolic link holds; nothing when it is gone. */
export function linkOf({ tree, directory, name }: Pick<Side, 'tree' | 'directory' | 'name'>): Buffer {
  try {
    return readlinkat(tree.fd(directory), room.write(name))
  } catch (error) {
    if (errnoOf(error) === 'ENOENT' || errnoOf(error) === 'EINVAL') return Buffer.alloc(0)
    throw fromErrno(error, `read link ${quoted(directory.below(name))}`)
  }
}

async function sameContents(upper: Side, lower: Side, pause: Pause): Promise<boolean> {
  using files = new DisposableStack()
  const [one, other] = [openSide(upper), openSide(lower)]
  if (one >= 0) files.adopt(one, close)
  if (other >= 0) files.adopt(other, close)
  if (one < 0 || other < 0) return false
  try {
    for (let at = 0; ; ) {
      const got = readSync(one, slices[0], 0, sliceBytes, at)
      const there = fill(other, slices[1], got, at)
      if (got !== there || !slices[0].subarray(0, got).equals(slices[1].subarray(0, got))) return false
      if (got === 0) return true
      at += got
      await pause(2 * got)
    }
  } catch (error) {
    throw fromErrno(error, `read ${quoted(upper.directory.below(upper.name))}`)
  }
}

/** A descriptor, or -1 when it is gone. */
export function openSide({ tree, directory, name }: Pick<Side, 'tree' | 'directory' | 'name'>): number {
  const flags = O.RDONLY | O.NOFOLLOW | O.NONBLOCK
  const at = tree.fd(directory)
  const quiet = tryOpenat(at, room.write(name), flags | O.NOATIME)
  // who may read a file need not be who may leave its time of access alone
  const fd = quiet === EPERM ? tryOpenat(at, room.write(name), flags) : quiet
  if (fd >= 0) return fd
  if (gone.has(fd)) return -1
  throw fromErrno(new SystemError(-fd, 'open'), `read ${quoted(directory.below(name))}`)
}

function fill(fd: number, into: Buffer, length: number, at: number): number {
  // one byte more: it may go on where the other ends
  if (length === 0) return readSync(fd, into, 0, 1, at)
  let done = 0
  while (done < length) {
    const got = readSync(fd, into, done, length - done, at + done)
    if (got === 0) break
    done += got
  }
  return done
}

const EPERM = -1
/** ENOENT, ENXIO of a socket, ELOOP of a link that took its place */
const gone = new Set([-2, -6, -40])
const sliceBytes = 2 ** 18
// filled and compared without a pause between
const slices = [Buffer.allocUnsafeSlow(sliceBytes), Buffer.allocUnsafeSlow(sliceBytes)] as const
const room = nameRoom()
