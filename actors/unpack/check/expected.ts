import { createHash, type Hash } from 'node:crypto'
import type { Moment } from '../../../runtime/syscalls/index.ts'
import { bounded } from '../attributes.ts'
import type { Whiteouts } from '../ground.ts'
import { excessive, invalid, quoted } from '../invalid.ts'
import type { Limits } from '../limits.ts'
import { placeOf } from '../names.ts'
import type { Entry, Kind } from '../tar/entry.ts'
import type { TarHandler } from '../tar/reader.ts'
import { maxLinks } from '../tree.ts'
import { isWhiteout, opaqueName, prefix } from '../whiteouts.ts'

/** Part of a file: from one offset to before another. */
interface Hole {
  readonly from: number
  readonly to: number
}

/** What should be at one place. Several names of one file are one node. */
export interface Expected {
  /** `removed` is a mark that something is hidden; `foreign` a file of a layer below, of which nothing is known */
  readonly kind: Exclude<Kind, 'link'> | 'removed' | 'foreign'
  mode: number
  uid: number
  gid: number
  modified: Moment
  size: number
  /** of the contents, but for the holes */
  hash: string
  /** where there is nothing but zeros that the layer does not have, in order */
  holes: Hole[] | undefined
  /** of a symbolic link */
  readonly target: string
  readonly major: number
  readonly minor: number
  xattrs: ReadonlyMap<string, Uint8Array>
  /** of a directory: what is in it, by name */
  readonly children: Map<string, Expected>
  readonly parent: Expected | undefined
  /** of a directory: no entry described it, so it may be anything */
  implied: boolean
  /** of a directory: it hides what other layers have in it */
  opaque: boolean
}

/** What a layer comes to when it is applied to an empty directory. */
export interface Expectation {
  readonly root: Expected
  /** It could not be applied without its parent: it links to a file of it. */
  foreign: boolean
  /** directories no entry described, that take after those of the parent */
  implied: number
  /** a directory hands an access list down to what is made in it */
  inherits: boolean
}

/**
 * Reads a layer into what it should have come to, by the rules it is applied by: later entries win, deletions are marks or nothing, links on the way are followed inside. Contents
 * are kept as hashes only.
 */
export class Expecting implements TarHandler {
  readonly outcome: Expectation
  entries = 0
  readonly #whiteouts: Whiteouts
  readonly #limits: Limits
  #file: { node: Expected; hash: Hash; at: number } | undefined
  #last: { path: string; directory: Expected } | undefined
  /** directories made because a path needed them */
  #missed = 0
  /** no entry described them, if none does later, but nothing below is theirs to take after: it was removed */
  readonly #fresh = new Set<Expected>()

  constructor({ whiteouts, limits }: { whiteouts: Whiteouts; limits: Limits }) {
    this.#whiteouts = whiteouts
    this.#limits = limits
    this.outcome = { root: directory(undefined), foreign: false, implied: 0, inherits: false }
  }

  begin(entry: Entry): void {
    this.entries++
    if (entry.xattrs?.has('system.posix_acl_default')) this.outcome.inherits = true
    const place = placeOf(entry.name, this.#limits)
    if (place === undefined) {
      if (entry.kind === 'directory') describe(this.outcome.root, entry)
      return
    }
    const parent = this.#walk(place.directory, true)
    if (isWhiteout(place.base)) this.#remove(parent, place.base, entry)
    else this.#put(parent, place.base, entry)
  }

  data(piece: Buffer): void {
    if (this.#file === undefined) return
    this.#file.hash.update(piece)
    this.#file.at += piece.length
  }

  hole(length: number): void {
    if (this.#file === undefined) return
    const { node, at } = this.#file
    this.#file.at += length
    node.holes ??= []
    node.holes.push({ from: at, to: at + length })
  }

  end(): void {
    if (this.#file !== undefined) this.#file.node.hash = this.#file.hash.digest('base64')
    this.#file = undefined
  }

  /** Now that all is read. */
  finish(): Expectation {
    const left = [this.outcome.root]
    for (let node = left.pop(); node !== undefined; node = left.pop()) {
      if (node.implied && !this.#fresh.has(node)) this.outcome.implied++
      for (const child of node.children.values()) if (child.kind === 'directory') left.push(child)
    }
    return this.outcome
  }

  #put(parent: Expected, name: string, entry: Entry): void {
    const there = parent.children.get(name)
    if (entry.kind === 'directory') {
      const merged = there?.kind === 'directory'
      const node = merged ? there : this.#set(parent, name, directory(parent))
      // what it took the place of had hidden what other layers have there
      if (there !== undefined && !merged) node.opaque = this.#whiteouts === 'overlay'
      describe(node, entry)
    } else if (entry.kind === 'link') this.#link(parent, name, entry)
    else {
      const node = this.#set(parent, name, nodeOf(entry.kind, parent, entry))
      if (entry.kind === 'file') this.#file = { node, hash: createHash('sha256'), at: 0 }
    }
  }

  #link(parent: Expected, name: string, entry: Entry): void {
    const place = placeOf(entry.target, this.#limits)
    if (place === undefined) throw invalid(`${quoted(entry.name)}: a hard link to the root`)
    const from = this.#walk(place.directory, false)
    if (from === parent && place.base === name) return
    const target = from?.children.get(place.base)
    if (target === undefined || target.kind === 'removed') this.outcome.foreign = true
    this.#set(parent, name, target === undefined || target.kind === 'removed' ? nodeOf('foreign', parent, entry) : target)
  }

  #remove(parent: Expected, base: string, entry: Entry): void {
    if (this.#whiteouts !== 'overlay') return
    const name = base.slice(prefix.length)
    const there = parent.children.get(name)
    if (base === opaqueName) parent.opaque = true
    else if (name.startsWith(prefix)) return
    else if (there === undefined) this.#set(parent, name, nodeOf('removed', parent, entry))
    else if (there.kind === 'directory') {
      there.opaque = true
      this.#fresh.add(there)
    }
  }

  #set(parent: Expected, name: string, node: Expected): Expected {
    if (parent.children.get(name)?.kind === 'directory') this.#last = undefined
    parent.children.set(name, node)
    return node
  }

  #walk(path: string, make: true): Expected
  #walk(path: string, make: boolean): Expected | undefined
  #walk(path: string, make: boolean): Expected | undefined {
    if (this.#last?.path === path) return this.#last.directory
    let at = this.outcome.root
    let links = 0
    let depth = 0
    const parts = path.split('/').reverse()
    for (let part = parts.pop(); part !== undefined; part = parts.pop()) {
      if (part === '' || part === '.') continue
      if (part === '..') {
        at = at.parent ?? at
        continue
      }
      const next = at.children.get(part)
      if (next?.kind === 'symlink') {
        if (++links > maxLinks) throw invalid(`${quoted(path)}: more than ${maxLinks} links on the way`)
        if (next.target.startsWith('/')) at = this.outcome.root
        parts.push(...next.target.split('/').reverse())
        continue
      }
      if (next?.kind !== 'directory' && !make) return undefined
      if (++depth > this.#limits.depth) throw excessive(`directories ${depth} deep at ${quoted(path)}`)
      at = next?.kind === 'directory' ? next : this.#missing(at, part, next, path)
    }
    if (links === 0) this.#last = { path, directory: at }
    return at
  }

  #missing(at: Expected, name: string, there: Expected | undefined, path: string): Expected {
    if (there !== undefined && !this.#isMark(there)) throw invalid(`${quoted(path)}: ${quoted(name)} on the way is not a directory`)
    if (++this.#missed > this.#limits.directories) throw excessive(`more than ${this.#limits.directories} directories, at ${quoted(path)}`)
    const made = this.#set(at, name, directory(at))
    if (there === undefined) return made
    made.opaque = true
    this.#fresh.add(made)
    return made
  }

  /** A device 0:0 of the layer's own is one as good as ours. */
  #isMark({ kind, major, minor }: Expected): boolean {
    return kind === 'removed' || (this.#whiteouts === 'overlay' && kind === 'character' && major === 0 && minor === 0)
  }
}

const epoch: Moment = { seconds: 0, nanoseconds: 0 }
const none: ReadonlyMap<string, Uint8Array> = new Map()

const blank = {
  mode: 0,
  uid: 0,
  gid: 0,
  modified: epoch,
  size: 0,
  hash: '',
  holes: undefined,
  target: '',
  major: 0,
  minor: 0,
  xattrs: none,
  opaque: false,
}

const directory = (parent: Expected | undefined): Expected => ({ ...blank, kind: 'directory', parent, children: new Map(), implied: true })

const empty: Map<string, Expected> = new Map()

function nodeOf(kind: Expected['kind'], parent: Expected, entry: Entry): Expected {
  const { mode, uid, gid, size, target, major, minor, xattrs = none } = entry
  const modified = bounded(entry.modified)
  return { ...blank, kind, mode, uid, gid, modified, size, target, major, minor, xattrs, parent, children: empty, implied: false }
}

/** Attributes are added to those of before; everything else is as the last entry says. */
function describe(node: Expected, { mode, uid, gid, modified, xattrs = none }: Entry): void {
  const all = node.xattrs.size === 0 ? xattrs : new Map([...node.xattrs, ...xattrs])
  Object.assign(node, { mode, uid, gid, modified: bounded(modified), xattrs: all, implied: false })
}
