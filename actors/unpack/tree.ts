import {
  close,
  nameRoom,
  O,
  openat,
  readlinkat,
  S,
  type Status,
  statx,
  tryMkdirat,
  tryOpenat,
  tryStatx,
} from '../../runtime/syscalls/index.ts'
import { Directory } from './directory.ts'
import { excessive, invalid, quoted } from './invalid.ts'
import type { Limits } from './limits.ts'
import { namesIn } from './removal.ts'

/**
 * The directories under one root, by descriptor. Every step down is one openat of one name that refuses links; a link on the way is read
 * and followed here, inside the root, `..` and absolute targets included. So no path that is resolved once and used later exists, and
 * nothing the tree holds can lead out of it.
 *
 * Nobody else may change the tree meanwhile.
 */
export class Tree implements Disposable {
  readonly root: Directory
  readonly #limits: Limits
  readonly #made: Made
  readonly #room = nameRoom()
  /** directories with an open descriptor, the longest unused first */
  readonly #open = new Set<Directory>()
  /**
   * What the last path led to, if through no link: then only the removal of a directory can make it lead elsewhere, and that forgets it.
   */
  #last: { path: string; directory: Directory } | undefined
  #known = 0
  /** not to be closed while another is opened */
  #held: Directory | undefined

  constructor(root: string, limits: Limits, made: Made = nothingMade) {
    this.#limits = limits
    this.#made = made
    const fd = openat(-100, root, O.RDONLY | O.DIRECTORY)
    this.root = new Directory(undefined, '')
    this.root.fd = fd
    this.root.found = statx(fd, '')
    this.root.setgid = (this.root.found.mode & 0o2000) !== 0
  }

  /** A descriptor of `directory`, good until another directory is asked for. */
  fd(directory: Directory): number {
    if (directory.fd >= 0) {
      this.#touch(directory)
      return directory.fd
    }
    const parent = directory.parent
    if (parent === undefined) throw new Error('the tree is closed')
    const fd = openat(this.fd(parent), this.#room.write(directory.name), walkFlags)
    this.opened(directory, fd)
    return fd
  }

  /** Whether nothing is in the root. */
  isEmpty(): boolean {
    return namesIn(this.root.fd).length === 0
  }

  /** Names in a directory, of every kind. */
  names(directory: Directory): string[] {
    return namesIn(this.fd(directory))
  }

  /** Descriptors of two directories at once, good until another is asked for. */
  fds(one: Directory, other: Directory): [number, number] {
    const first = this.fd(one)
    this.#held = one
    const second = this.fd(other)
    this.#held = undefined
    return [first, second]
  }

  /** The directory a clean path leads to; what is missing on the way is made. Fails with data_loss when something else is in the way. */
  make(path: string): Directory {
    if (this.#last?.path === path) return this.#last.directory
    const directory = this.#walk(path, true)
    if (directory === undefined) throw new Error('a walk that makes what is missing found nothing')
    return directory
  }

  /**
   * The directory a clean path leads to; undefined when there is none. `whole` says that all there is can be seen: then the `..` of a link takes back a name that is nowhere,
   * as it does for others who apply layers, and not for a kernel.
   */
  find(path: string, { whole }: { whole: boolean }): Directory | undefined {
    return this.#last?.path === path ? this.#last.directory : this.#walk(path, false, whole)
  }

  /** The directory `name` in `parent` that was just made, or found to be one. */
  child(parent: Directory, name: string): Directory {
    const known = parent.children?.get(name)
    if (known !== undefined) return known
    const directory = new Directory(parent, name)
    if (++this.#known > this.#limits.directories)
      throw excessive(`more than ${this.#limits.directories} directories, at ${quoted(directory.path())}`)
    if (directory.depth > this.#limits.depth) throw excessive(`directories ${directory.depth} deep at ${quoted(directory.path())}`)
    parent.children ??= new Map()
    parent.children.set(name, directory)
    return directory
  }

  /** Forget the directory `name` in `parent` and all below: it is removed, or about to be. */
  forget(parent: Directory, name: string): void {
    const directory = parent.children?.get(name)
    if (directory === undefined) return
    parent.children?.delete(name)
    this.#last = undefined
    for (const gone of directory.all()) {
      this.#known--
      gone.removed = true
      this.#close(gone)
    }
  }

  /** Keep a descriptor of `directory` for later, in place of the one unused longest. */
  opened(directory: Directory, fd: number): void {
    directory.fd = fd
    this.#open.add(directory)
    if (this.#open.size <= openAtOnce) return
    for (const oldest of this.#open) {
      if (oldest === directory || oldest === this.#held) continue
      this.#close(oldest)
      break
    }
  }

  [Symbol.dispose](): void {
    for (const directory of this.#open) close(directory.fd)
    this.#open.clear()
    if (this.root.fd >= 0) close(this.root.fd)
    this.root.fd = -1
  }

  #touch(directory: Directory): void {
    if (directory.parent === undefined) return
    this.#open.delete(directory)
    this.#open.add(directory)
  }

  #close(directory: Directory): void {
    if (directory.fd < 0 || directory.parent === undefined) return
    close(directory.fd)
    directory.fd = -1
    this.#open.delete(directory)
  }

  #walk(path: string, make: boolean, whole = false): Directory | undefined {
    let at = this.root
    let links = 0
    // names that are nowhere, after the last one that is
    let lost = 0
    // the parts still to go, the next one last
    const parts = path === '' ? [] : path.split('/').reverse()
    for (let part = parts.pop(); part !== undefined; part = parts.pop()) {
      if (part === '' || part === '.') continue
      if (part === '..') {
        if (lost > 0) lost--
        else at = at.parent ?? this.root
        continue
      }
      const next = lost > 0 ? undefined : this.#step(at, part, path, make)
      if (next === undefined) {
        if (!whole) return undefined
        lost++
        continue
      }
      if (next instanceof Directory) {
        at = next
        continue
      }
      if (++links > maxLinks) throw invalid(`${quoted(path)}: more than ${maxLinks} links on the way`)
      if (next.target.startsWith('/')) at = this.root
      parts.push(...next.target.split('/').reverse())
    }
    if (lost > 0) return undefined
    if (links === 0) this.#last = { path, directory: at }
    return at
  }

  /** One name further: a directory, the target of a link, or nothing. */
  #step(at: Directory, name: string, path: string, make: boolean): Directory | { target: string } | undefined {
    const known = at.children?.get(name)
    if (known !== undefined) return known
    if (name.length > this.#limits.name) throw invalid(`${quoted(path)}: a name of ${name.length} bytes on the way`)
    const parent = this.fd(at)
    const fd = tryOpenat(parent, this.#room.write(name), walkFlags)
    if (fd >= 0) return this.#found(at, name, fd)
    if (fd === ENOENT) return make ? this.#missing(at, name) : undefined
    const status = tryStatx(parent, this.#room.write(name))
    if (fd === EACCES && typeof status !== 'number' && (status.mode & S.FMT) === S.DIR) return this.#unlocked(at, name, status)
    if (typeof status === 'number') throw invalid(`${quoted(path)}: ${quoted(name)} on the way cannot be opened`)
    if ((status.mode & S.FMT) === S.LNK) return { target: readlinkat(parent, this.#room.write(name)).toString('latin1') }
    if (!make) return undefined
    if (!this.#made.replaced(at, name, status)) throw invalid(`${quoted(path)}: ${quoted(at.below(name))} is not a directory`)
    return this.#missing(at, name, true)
  }

  #found(at: Directory, name: string, fd: number): Directory {
    const directory = this.child(at, name)
    this.opened(directory, fd)
    this.#made.found(directory, statx(fd, ''))
    return directory
  }

  /** Its owner may not enter it, and yet has to. */
  #unlocked(at: Directory, name: string, status: Status): Directory {
    const mode = this.#made.locked(at, name, status)
    const directory = this.#found(at, name, openat(this.fd(at), this.#room.write(name), walkFlags))
    directory.mode ??= mode
    return directory
  }

  #missing(at: Directory, name: string, fresh = false): Directory {
    const result = tryMkdirat(this.fd(at), this.#room.write(name), 0o755)
    if (result < 0) openat(this.fd(at), this.#room.write(name), walkFlags)
    const directory = this.child(at, name)
    this.#made.implied(directory, fresh)
    return directory
  }
}

/** What a tree tells, and asks, of directories on the way. */
export interface Made {
  /** It was there already, and is open now. */
  found(directory: Directory, status: Status): void
  /** It was there already, and may not be opened: now it may, or that fails. The mode it had. */
  locked(parent: Directory, name: string, status: Status): number | undefined
  /** Something that is no directory is in the way of one: whether it was a mark of removal, and is gone now. */
  replaced(parent: Directory, name: string, status: Status): boolean
  /** A directory was made because a path needed it; a fresh one hides whatever lay there. */
  implied(directory: Directory, fresh: boolean): void
}

/** For a tree that is only looked at. */
const nothingMade: Made = { found: () => {}, locked: () => undefined, replaced: () => false, implied: () => {} }

const walkFlags = O.RDONLY | O.DIRECTORY | O.NOFOLLOW
const openAtOnce = 128
/** As many as the kernel follows. */
export const maxLinks = 40
const ENOENT = -2
const EACCES = -13
