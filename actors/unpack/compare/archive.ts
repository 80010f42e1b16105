import { readSync } from 'node:fs'
import { fromErrno } from '../../../runtime/errno.ts'
import { close, S, type Status, statx } from '../../../runtime/syscalls/index.ts'
import type { Directory } from '../directory.ts'
import { quoted } from '../invalid.ts'
import type { Tree } from '../tree.ts'
import type { Change } from './change.ts'
import { headerOf, padding, type Told } from './header.ts'
import { Linked, type Name } from './linked.ts'
import { look } from './look.ts'
import { linkOf, openSide } from './same.ts'
import { type Xattrs, xattrsOf } from './xattrs.ts'

export interface ArchiveOptions {
  /** seconds since 1970: nothing is told younger, and removals are of this time; of 1970 otherwise */
  readonly epoch?: number | undefined
  /** Called for what cannot be told. */
  readonly warn?: (what: string) => void
}

/**
 * Changes as an archive, in chunks to be consumed before the next is asked for.
 *
 * A directory stands once, before what is in it, and stands also when only that was changed. A removal is an empty file `.wh.<name>`, what is hidden `.wh..wh..opq`. A file of several
 * names stands in full under the first, the others are hard links to it; if it was changed, those under which it was not are told again.
 */
export class Archive {
  readonly #upper: Tree
  readonly #options: ArchiveOptions
  readonly #linked = new Linked()
  readonly #included = new Set<Directory>()
  #chunk = Buffer.allocUnsafeSlow(chunkBytes)
  #filled = 0
  /** told so far, the marks among them */
  entries = 0

  constructor(upper: Tree, options: ArchiveOptions = {}) {
    this.#upper = upper
    this.#options = options
    this.#included.add(upper.root)
  }

  /** Tell one change. */
  *tell(change: Change): Generator<Buffer> {
    switch (change.kind) {
      case 'root':
        return yield* this.#header({
          ...this.#common(change.status),
          name: './',
          type: 'directory',
          xattrs: this.#xattrs(this.#upper.root, ''),
        })
      case 'brought':
        return yield* this.#brought(change)
      case 'same':
        return yield* this.#same(change, change.lower)
      case 'removed':
        return yield* this.#mark(change.parent, `.wh.${change.name}`)
      case 'hides':
        return yield* this.#mark(change.directory, '.wh..wh..opq')
    }
  }

  /** What is to be told once all changes are known, and the end of the archive. */
  *end(): Generator<Buffer> {
    for (const [first, ...others] of this.#linked.parted()) {
      yield* this.#inFull(first)
      for (const other of others) yield* this.#link(other, this.#pathOf(first))
    }
    yield* this.#bytes(Buffer.alloc(1024))
    if (this.#filled > 0) yield this.#chunk.subarray(0, this.#filled)
  }

  *#brought(name: Name): Generator<Buffer> {
    if ((name.status.mode & S.FMT) === S.DIR) return yield* this.#include(this.#upper.child(name.parent, name.name))
    const first = this.#linked.first(name.status)
    if (first !== undefined) return yield* this.#link(name, first)
    yield* this.#inFull(name)
    for (const other of this.#linked.told(name, this.#pathOf(name))) yield* this.#link(other, this.#pathOf(name))
  }

  *#same(name: Name, lower: Status): Generator<Buffer> {
    const first = this.#linked.first(name.status)
    if (first === undefined) this.#linked.keep(name, lower)
    else yield* this.#link(name, first)
  }

  /** Tell a directory, and those it is in, unless that was done. */
  *#include(directory: Directory): Generator<Buffer> {
    if (this.#included.has(directory)) return
    this.#included.add(directory)
    const { parent, name } = directory
    if (parent === undefined) return
    yield* this.#include(parent)
    const status = look(this.#upper, parent, name)
    if (status === undefined) return
    const xattrs = this.#xattrs(parent, name)
    yield* this.#header({ ...this.#common(status), name: `${directory.path()}/`, type: 'directory', xattrs })
  }

  *#inFull(name: Name): Generator<Buffer> {
    yield* this.#include(name.parent)
    const { status, parent } = name
    const kind = kinds.get(status.mode & S.FMT)
    if (kind === undefined) return
    if (kind === 'file') return yield* this.#file(name)
    const told = { ...this.#common(status), name: this.#pathOf(name), type: kind, xattrs: this.#xattrs(parent, name.name) }
    if (kind === 'symlink')
      yield* this.#header({
        ...told,
        mode: 0o777,
        target: linkOf({ tree: this.#upper, directory: parent, name: name.name }).toString('latin1'),
      })
    else yield* this.#header({ ...told, major: status.major, minor: status.minor })
  }

  *#file(name: Name): Generator<Buffer> {
    const fd = openSide({ tree: this.#upper, directory: name.parent, name: name.name })
    if (fd < 0) return
    try {
      // as it is now: it may be written to
      const status = statx(fd, '')
      const { size } = status
      const path = this.#pathOf(name)
      yield* this.#header({ ...this.#common(status), name: path, type: 'file', size, xattrs: this.#xattrs(name.parent, name.name) })
      yield* this.#contents(fd, size, path)
      yield* this.#zeros(padding(size))
    } finally {
      close(fd)
    }
  }

  /** Exactly `size` bytes, whatever becomes of the file meanwhile. */
  *#contents(fd: number, size: number, path: string): Generator<Buffer> {
    for (let at = 0; at < size; ) {
      const room = Math.min(this.#chunk.length - this.#filled, size - at)
      const got = read(fd, this.#chunk.subarray(this.#filled, this.#filled + room), at, path)
      if (got === 0) return yield* this.#zeros(size - at)
      at += got
      yield* this.#take(got)
    }
  }

  *#link(name: Name, target: string): Generator<Buffer> {
    yield* this.#include(name.parent)
    yield* this.#header({ ...this.#common(name.status), name: this.#pathOf(name), type: 'link', target })
  }

  *#mark(directory: Directory, name: string): Generator<Buffer> {
    yield* this.#include(directory)
    const modified = this.#options.epoch ?? 0
    yield* this.#header({ name: directory.below(name), type: 'file', mode: 0, uid: 0, gid: 0, modified })
  }

  *#header(told: Told): Generator<Buffer> {
    this.entries++
    yield* this.#bytes(headerOf(told))
  }

  *#bytes(bytes: Buffer): Generator<Buffer> {
    for (let at = 0; at < bytes.length; ) {
      const count = bytes.copy(this.#chunk, this.#filled, at)
      at += count
      yield* this.#take(count)
    }
  }

  *#zeros(count: number): Generator<Buffer> {
    for (let left = count; left > 0; ) {
      const room = Math.min(this.#chunk.length - this.#filled, left)
      this.#chunk.fill(0, this.#filled, this.#filled + room)
      left -= room
      yield* this.#take(room)
    }
  }

  /** So many more bytes of the chunk are filled; a full one is handed on. */
  *#take(bytes: number): Generator<Buffer> {
    this.#filled += bytes
    if (this.#filled < this.#chunk.length) return
    yield this.#chunk
    this.#chunk = Buffer.allocUnsafeSlow(chunkBytes)
    this.#filled = 0
  }

  #pathOf({ parent, name }: Pick<Name, 'parent' | 'name'>): string {
    return parent.below(name)
  }

  #common({ mode, uid, gid, modified }: Status): { mode: number; uid: number; gid: number; modified: number } {
    return { mode: mode & 0o7777, uid, gid, modified: Math.min(modified.seconds, this.#options.epoch ?? Number.MAX_SAFE_INTEGER) }
  }

  #xattrs(directory: Directory, name: string): Xattrs {
    const all = xattrsOf(this.#upper, directory, name)
    const told = new Map([...all].filter(([key]) => !key.includes('=')))
    if (told.size < all.size) this.#options.warn?.(`${quoted(directory.below(name))}: an attribute with = in its name cannot be in a layer`)
    return told
  }
}

const chunkBytes = 2 ** 20

const kinds = new Map<number, Told['type']>([
  [S.REG, 'file'],
  [S.LNK, 'symlink'],
  [S.CHR, 'character'],
  [S.BLK, 'block'],
  [S.FIFO, 'fifo'],
])

function read(fd: number, into: Buffer, at: number, path: string): number {
  try {
    return readSync(fd, into, 0, into.length, at)
  } catch (error) {
    throw fromErrno(error, `read ${quoted(path)}`)
  }
}
