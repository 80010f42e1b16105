import { fstatSync, ftruncateSync } from 'node:fs'
import { fromErrno } from '../../runtime/errno.ts'
import type { Spend } from '../../runtime/room.ts'
import { close, pwrite, write } from '../../runtime/syscalls/index.ts'
import { finishFile } from './attributes.ts'
import type { Directory } from './directory.ts'
import { describeRoot, makeDirectory, makeLink, makeNode, makeSymlink, openFile } from './entries.ts'
import type { Ground } from './ground.ts'
import { quoted } from './invalid.ts'
import { placeOf } from './names.ts'
import type { Entry } from './tar/entry.ts'
import type { TarHandler } from './tar/reader.ts'
import { isWhiteout, whiteOut } from './whiteouts.ts'

/** What an entry takes on disk, whatever is in it; about. */
const entryBytes = 512

/** Puts the entries of a layer where they belong, as they are told. Disposing it closes the file at hand. */
export class Layer implements TarHandler, Disposable {
  /** entries begun, and bytes of files written */
  entries = 0
  written = 0
  readonly #ground: Ground
  readonly #spend: Spend
  #file: { fd: number; parent: Directory; entry: Entry } | undefined
  /** how far the file at hand is, when it has holes: what is written does not tell */
  #at: number | undefined

  constructor(ground: Ground, spend: Spend) {
    this.#ground = ground
    this.#spend = spend
  }

  begin(entry: Entry): void {
    this.entries++
    try {
      this.#spend(entryBytes)
      this.#begin(entry)
    } catch (error) {
      throw fromErrno(error, `apply ${quoted(entry.name)}`)
    }
  }

  data(piece: Buffer): void {
    if (this.#file === undefined) return
    this.written += piece.length
    try {
      this.#spend(piece.length)
      if (this.#at === undefined) write(this.#file.fd, piece)
      else {
        pwrite(this.#file.fd, piece, this.#at)
        this.#at += piece.length
      }
    } catch (error) {
      throw fromErrno(error, `write ${quoted(this.#file.entry.name)}`)
    }
  }

  /** Made at once: the file is longer, and nothing is written. */
  hole(length: number): void {
    if (this.#file === undefined) return
    try {
      this.#at = (this.#at ?? fstatSync(this.#file.fd).size) + length
      ftruncateSync(this.#file.fd, this.#at)
    } catch (error) {
      throw fromErrno(error, `make a hole in ${quoted(this.#file.entry.name)}`)
    }
  }

  end(): void {
    if (this.#file === undefined) return
    const { fd, parent, entry } = this.#file
    try {
      finishFile(this.#ground, fd, parent, entry)
    } catch (error) {
      throw fromErrno(error, `apply ${quoted(entry.name)}`)
    } finally {
      this[Symbol.dispose]()
    }
  }

  [Symbol.dispose](): void {
    if (this.#file === undefined) return
    const { fd } = this.#file
    this.#file = undefined
    this.#at = undefined
    close(fd)
  }

  #begin(entry: Entry): void {
    const place = placeOf(entry.name, this.#ground.limits)
    if (place === undefined) {
      if (entry.kind === 'directory') describeRoot(this.#ground, entry)
      return
    }
    const { base } = place
    const parent = this.#ground.tree.make(place.directory)
    if (isWhiteout(base)) whiteOut(this.#ground, parent, base, entry)
    else this.#make(parent, base, entry)
  }

  #make(parent: Directory, base: string, entry: Entry): void {
    switch (entry.kind) {
      case 'file':
        this.#file = { fd: openFile(this.#ground, parent, base, entry), parent, entry }
        break
      case 'directory':
        makeDirectory(this.#ground, parent, base, entry)
        break
      case 'symlink':
        makeSymlink(this.#ground, parent, base, entry)
        break
      case 'link':
        makeLink(this.#ground, parent, base, entry)
        break
      default:
        makeNode(this.#ground, parent, base, entry)
    }
  }
}
