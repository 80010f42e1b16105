import { createHash } from 'node:crypto'
import { readSync } from 'node:fs'
import { setImmediate } from 'node:timers/promises'
import { errnoOf } from '../../../runtime/errno.ts'
import { close, nameRoom, O, openat, readlinkat, S, type Status, statx, tryStatx } from '../../../runtime/syscalls/index.ts'
import type { Directory } from '../directory.ts'
import type { Limits } from '../limits.ts'
import { currentPowers } from '../powers.ts'
import { Tree } from '../tree.ts'
import type { Expectation, Expected } from './expected.ts'
import { differenceOfXattrs } from './xattrs.ts'

/** Called for each path that is not what it should be, `.` for the root; bytes as latin1. */
export type Report = (path: string, why: string) => void

export interface DifferencesInit {
  readonly path: string
  readonly expectation: Expectation
  /**
   * It was applied on top of its parent: links of the parent may have led its entries elsewhere, and the file system made marks of its own. What is found where it is expected is
   * compared, and nothing else is said.
   */
  readonly onParent: boolean
  readonly limits: Limits
}

export interface DifferencesOptions {
  readonly signal: AbortSignal
  /** Called with the bytes of each file compared. */
  readonly onBytes?: (bytes: number) => void
}

/** Compare the directory at a path with what it should be. Follows no link, reads nothing outside. What cannot be read for being damaged differs. */
export async function reportDifferences(init: DifferencesInit, report: Report, options: DifferencesOptions): Promise<void> {
  using tree = new Tree(init.path, init.limits)
  await new Search({ ...init, tree, report }, options).run()
}

/** Bytes after which others have their turn, and the signal is looked at; an entry counts for some. */
const stretch = 4 * 2 ** 20
const entryBytes = 16 * 1024

class Search {
  readonly #init: DifferencesInit & { readonly tree: Tree; readonly report: Report }
  readonly #options: DifferencesOptions
  readonly #powers = currentPowers()
  readonly #room = nameRoom()
  readonly #slice = Buffer.allocUnsafeSlow(2 ** 20)
  /** inodes of what was found, and what they were found as */
  readonly #found = new Map<Expected, number>()
  readonly #owners = new Map<number, Expected>()
  #since = 0

  constructor(init: DifferencesInit & { tree: Tree; report: Report }, options: DifferencesOptions) {
    this.#init = init
    this.#options = options
  }

  async run(): Promise<void> {
    const { tree, expectation } = this.#init
    const left: [Directory, Expected][] = [[tree.root, expectation.root]]
    const status = statx(tree.fd(tree.root), '')
    this.#judge('.', this.#attributes(expectation.root, status, `/proc/self/fd/${tree.fd(tree.root)}/.`))
    for (let next = left.pop(); next !== undefined; next = left.pop()) {
      const [directory, expected] = next
      const present = this.#names(directory)
      for (const [name, node] of expected.children) {
        await this.#pause(entryBytes)
        if (present.delete(name)) await this.#entry(directory, name, node)
        else this.#missing(directory.below(name), node)
        if (node.kind === 'directory' && this.#isDirectory(directory, name)) left.push([tree.child(directory, name), node])
      }
      if (!this.#init.onParent) for (const name of present) this.#init.report(directory.below(name), 'the layer has no such thing')
    }
  }

  /** A directory that cannot be listed has nothing in it that could be found. */
  #names(directory: Directory): Set<string> {
    try {
      return new Set(this.#init.tree.names(directory))
    } catch (error) {
      this.#init.report(directory.path() || '.', `it cannot be listed: ${damageOf(error)}`)
      return new Set()
    }
  }

  #missing(path: string, { kind, implied }: Expected): void {
    if (this.#init.onParent && (implied || kind === 'removed' || kind === 'foreign')) return
    // who may not make devices did not
    if (!this.#powers.all && (kind === 'character' || kind === 'block')) return
    this.#init.report(path, kind === 'removed' ? 'the mark of its removal is missing' : 'it is missing')
  }

  #isDirectory(directory: Directory, name: string): boolean {
    const status = tryStatx(this.#init.tree.fd(directory), this.#room.write(name))
    return typeof status !== 'number' && (status.mode & S.FMT) === S.DIR
  }

  async #entry(directory: Directory, name: string, expected: Expected): Promise<void> {
    const path = directory.below(name)
    try {
      const status = statx(this.#init.tree.fd(directory), this.#room.write(name))
      this.#judge(path, (await this.#difference(directory, name, expected, status)) ?? this.#sameFile(expected, status))
    } catch (error) {
      this.#judge(path, `it cannot be read: ${damageOf(error)}`)
    }
  }

  #judge(path: string, why: string | undefined): void {
    if (why !== undefined) this.#init.report(path, why)
  }

  async #difference(directory: Directory, name: string, expected: Expected, status: Status): Promise<string | undefined> {
    const { kind } = expected
    const found = kindOf(status)
    if (kind === 'foreign') return found === 'directory' ? 'a directory in place of another name of a file' : undefined
    if (kind === 'directory' && this.#init.onParent && expected.implied) return undefined
    // The device that is made for a removal may be in a layer as itself.
    if (found !== kind && !(found === 'removed' && kind === 'character')) return `${found} in place of ${kind}`
    if (kind === 'removed' || this.#found.get(expected) === status.inode) return undefined
    const at = this.#init.tree.fd(directory)
    return (
      this.#attributes(expected, status, `/proc/self/fd/${at}/${name}`) ??
      (kind === 'symlink' ? this.#link(at, name, expected) : undefined) ??
      (kind === 'file' ? await this.#contents(at, name, expected, status) : undefined)
    )
  }

  #attributes(expected: Expected, status: Status, at: string): string | undefined {
    const { kind, mode, uid, gid, modified, major, minor } = expected
    const { onParent, expectation } = this.#init
    if (expected.implied)
      return onParent ? undefined : differenceOfXattrs(at, expected, { marksOnly: true, inherits: true, marks: true, powers: this.#powers })
    const bits = status.mode & 0o7777
    // of a file given to nobody else, others are not to take the rights
    const kept = this.#powers.all || kind !== 'file' ? 0o7777 : 0o1777
    if (kind !== 'symlink' && bits !== mode && (bits & 0o6000 & ~mode || (bits & kept) !== (mode & kept)))
      return `mode ${bits.toString(8)} in place of ${mode.toString(8)}`
    if (this.#powers.all && (status.uid !== uid || status.gid !== gid)) return `owner ${status.uid}:${status.gid} in place of ${uid}:${gid}`
    if (status.modified.seconds !== modified.seconds || status.modified.nanoseconds !== modified.nanoseconds)
      return `changed at ${text(status.modified)} in place of ${text(modified)}`
    if ((kind === 'character' || kind === 'block') && (status.major !== major || status.minor !== minor))
      return `device ${status.major}:${status.minor} in place of ${major}:${minor}`
    return differenceOfXattrs(at, expected, { marksOnly: false, inherits: expectation.inherits, marks: !onParent, powers: this.#powers })
  }

  #link(at: number, name: string, { target }: Expected): string | undefined {
    const found = readlinkat(at, this.#room.write(name)).toString('latin1')
    return found === target ? undefined : `a link to ${JSON.stringify(found)} in place of ${JSON.stringify(target)}`
  }

  async #contents(at: number, name: string, { size, hash, holes }: Expected, status: Status): Promise<string | undefined> {
    if (status.size !== size) return `${status.size} bytes in place of ${size}`
    if (size === 0) return undefined
    const fd = openat(at, this.#room.write(name), O.RDONLY | O.NOFOLLOW | O.NONBLOCK | this.#noatime())
    try {
      return (await this.#hash(fd, holes)) === hash ? undefined : 'other contents'
    } finally {
      close(fd)
    }
  }

  /** Who may read a file need not be who may leave its time of access alone. */
  #noatime(): number {
    return this.#powers.all ? O.NOATIME : 0
  }

  /** Of everything but the holes; undefined when there is something in one. */
  async #hash(fd: number, holes: Expected['holes'] = []): Promise<string | undefined> {
    const sum = createHash('sha256')
    let hole = 0
    for (let at = 0; ; ) {
      while ((holes[hole]?.to ?? at + 1) <= at) hole++
      const { from, to } = holes[hole] ?? { from: Number.POSITIVE_INFINITY, to: Number.POSITIVE_INFINITY }
      const inside = at >= from
      const got = readSync(fd, this.#slice, 0, Math.min(this.#slice.length, (inside ? to : from) - at), at)
      if (got === 0) return sum.digest('base64')
      const piece = this.#slice.subarray(0, got)
      if (!inside) sum.update(piece)
      else if (!piece.equals(zeros.subarray(0, got))) return undefined
      at += got
      this.#options.onBytes?.(got)
      await this.#pause(got)
    }
  }

  /** Names of one file are names of one file, and no others are. */
  #sameFile(expected: Expected, { inode }: Status): string | undefined {
    if (expected.kind === 'directory' || expected.kind === 'removed' || expected.kind === 'foreign') return undefined
    const known = this.#found.get(expected)
    if (known !== undefined && known !== inode) return 'not the same file as its other names'
    const owner = this.#owners.get(inode)
    if (owner !== undefined && owner !== expected) return 'the same file as another'
    this.#found.set(expected, inode)
    this.#owners.set(inode, expected)
    return undefined
  }

  async #pause(bytes: number): Promise<void> {
    this.#since += bytes
    if (this.#since < stretch) return
    this.#since = 0
    await setImmediate()
    this.#options.signal.throwIfAborted()
  }
}

const zeros = Buffer.alloc(2 ** 20)

function kindOf({ mode, major, minor }: Status): string {
  const kind = kinds.get(mode & S.FMT) ?? 'something'
  return kind === 'character' && major === 0 && minor === 0 ? 'removed' : kind
}

const kinds: ReadonlyMap<number, string> = new Map([
  [S.REG, 'file'],
  [S.DIR, 'directory'],
  [S.LNK, 'symlink'],
  [S.CHR, 'character'],
  [S.BLK, 'block'],
  [S.FIFO, 'fifo'],
  [S.SOCK, 'socket'],
])

/** What the kernel says of what a disk has lost; anything else it says is no damage, and thrown. */
function damageOf(error: unknown): string {
  const errno = errnoOf(error)
  if (errno !== undefined && lost.has(errno)) return errno
  throw error
}

const lost = new Set(['EIO', 'EBADMSG', 'EUCLEAN', 'E117', 'EREMOTEIO', 'ENODATA', 'ENOENT', 'ENOTDIR', 'ELOOP'])

const text = ({ seconds, nanoseconds }: { seconds: number; nanoseconds: number }): string =>
  `${seconds}.${String(nanoseconds).padStart(9, '0')}`
