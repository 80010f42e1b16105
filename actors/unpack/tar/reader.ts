import { Failure } from '../../../messages/grammar/index.ts'
import { excessive, invalid, quoted } from '../invalid.ts'
import type { Limits } from '../limits.ts'
import type { Entry } from './entry.ts'
import { checksumHolds, entryOf, isGnu, isZero, sizeOf, typeOf } from './header.ts'
import { type Overrides, paxRecords, set } from './pax.ts'
import { InnerMap, OldMap, type SparseMap, Spread, sparseMap } from './sparse.ts'

/** Who is told what is in an archive, in its order: `begin`, `data` and `hole` for the parts of a file, `end`; for each entry. */
export interface TarHandler {
  begin(entry: Entry): void
  /** Part of the file begun last: a view of the chunk, not to be kept. */
  data(piece: Buffer): void
  /** So many zeros of the file begun last, which are not stored. */
  hole(length: number): void
  end(): void
}

/** Takes an archive in chunks of any size and tells what is in it, without waiting and without copying contents. */
export interface TarReader {
  push(chunk: Buffer): void
  /** No more chunks: fails with data_loss when the archive ends in the middle of something. */
  finish(): void
}

/**
 * Read ustar, GNU and PAX archives. What comes after the end-of-archive blocks is ignored, and so are global PAX headers. Any header that
 * is not understood fails with data_loss naming the entry.
 */
export function tarReader(handler: TarHandler, limits: Limits): TarReader {
  return new Reader(handler, limits)
}

/** What the bytes at hand belong to. */
type Part = 'header' | 'extended' | 'map' | 'content' | 'padding' | 'skipped' | 'over'

class Reader implements TarReader {
  readonly #handler: TarHandler
  readonly #limits: Limits
  #part: Part = 'header'
  /** bytes of the part still to come; a header's are counted by `#held` */
  #rest = 0
  /** padding after the part, up to a whole block */
  #pad = 0
  /** a header, or extended header, that does not lie in one chunk whole */
  #room = Buffer.alloc(512)
  #held = 0
  #extended = ''
  #overrides: Overrides = {}
  /** bytes of the extended headers about the entry to come */
  #overriding = 0
  #overridden = false
  /** a file whose map of holes goes on in the blocks to come */
  #mapped: { entry: Entry; map: OldMap | InnerMap; stored: number } | undefined
  #spread: Spread | undefined
  #spreadOut = 0
  #zeros = 0
  #entries = 0
  #last: string | undefined

  constructor(handler: TarHandler, limits: Limits) {
    this.#handler = handler
    this.#limits = limits
  }

  push(chunk: Buffer): void {
    let at = 0
    while (at < chunk.length && this.#part !== 'over') at = this.#take(chunk, at)
  }

  finish(): void {
    if (this.#part === 'over') return
    if (this.#part === 'header' && this.#held > 0) throw invalid(`it ends in a header ${this.#where()}`)
    if (this.#part === 'extended') throw invalid(`it ends in an extended header ${this.#where()}`)
    if (this.#part !== 'header') throw invalid(`it ends in the middle of ${quoted(this.#last ?? '')}`)
    if (this.#overridden) throw invalid('it ends after a header that is about an entry')
  }

  #take(chunk: Buffer, at: number): number {
    switch (this.#part) {
      case 'header':
      case 'map':
        return this.#blockBytes(chunk, at)
      case 'extended':
        return this.#extendedBytes(chunk, at)
      case 'content':
        return this.#contentBytes(chunk, at)
      default:
        return this.#skippedBytes(chunk, at)
    }
  }

  #blockBytes(chunk: Buffer, at: number): number {
    if (this.#held === 0 && chunk.length - at >= 512) {
      this.#block(chunk.subarray(at, at + 512))
      return at + 512
    }
    const took = Math.min(512 - this.#held, chunk.length - at)
    chunk.copy(this.#room, this.#held, at, at + took)
    this.#held += took
    if (this.#held === 512) {
      this.#held = 0
      this.#block(this.#room)
    }
    return at + took
  }

  #block(block: Buffer): void {
    if (this.#part === 'map') this.#mapBlock(block)
    else if (block[0] === 0 && isZero(block)) this.#zero()
    else this.#described(block)
  }

  #described(block: Buffer): void {
    if (this.#zeros > 0) throw invalid(`an entry after a block of zeros ${this.#where()}`)
    if (!checksumHolds(block)) throw invalid(`the header ${this.#where()} has a wrong checksum`)
    const type = typeOf(block)
    if (type === 'x' || type === 'L' || type === 'K') this.#beginExtended(type, sizeOf(block))
    else if (type === 'g') this.#skip('skipped', sizeOf(block))
    else this.#entry(block, type)
  }

  #zero(): void {
    if (this.#overridden) throw invalid(`it ends after a header that is about an entry, ${this.#where()}`)
    this.#zeros++
    if (this.#zeros === 2) this.#part = 'over'
  }

  #entry(block: Buffer, type: string): void {
    const overrides = this.#overrides
    if (this.#overridden) {
      this.#overrides = {}
      this.#overridden = false
      this.#overriding = 0
    }
    const entry = entryOf(block, overrides)
    if (++this.#entries > this.#limits.entries) throw excessive(`more than ${this.#limits.entries} entries, at ${quoted(entry.name)}`)
    this.#last = entry.name
    this.#pad = padding(entry.size)
    const { sparse } = overrides
    if (entry.kind === 'directory' && type !== '5') this.#beginOldDirectory(entry, overrides.size ?? sizeOf(block))
    else if (type !== 'S' && sparse === undefined) this.#begin(entry, entry.size)
    else if (entry.kind !== 'file') throw invalid(`${quoted(entry.name)}: holes of what is no file`)
    else if (type === 'S') this.#old(block, entry)
    else if (sparse?.inside) this.#await(entry, new InnerMap(sparse.size), entry.size)
    else this.#beginSparse(entry, entry.size, (stored) => sparseMap(sparse ?? { size: 0, numbers: [] }, stored))
  }

  #begin(entry: Entry, stored: number): void {
    this.#handler.begin(entry)
    this.#rest = stored
    this.#part = 'content'
    if (stored === 0) this.#endContent()
  }

  /** Called a file, and known for a directory by its slash: contents it may have say nothing. */
  #beginOldDirectory(entry: Entry, size: number): void {
    this.#begin(entry, 0)
    this.#skip('skipped', size)
  }

  #old(block: Buffer, entry: Entry): void {
    if (!isGnu(block)) throw invalid(`${quoted(entry.name)}: its holes are told in a way nobody knows`)
    const map = about(quoted(entry.name), () => new OldMap(block))
    if (map.more) this.#await(entry, map, entry.size)
    else this.#beginSparse(entry, entry.size, (stored) => map.finish(stored))
  }

  /** The map, or the rest of it, comes first. */
  #await(entry: Entry, map: OldMap | InnerMap, stored: number): void {
    this.#mapped = { entry, map, stored }
    this.#part = 'map'
  }

  #mapBlock(block: Buffer): void {
    const mapped = this.#mapped
    if (mapped === undefined) throw new Error('there is no map that goes on')
    const { entry, map } = mapped
    if (map instanceof InnerMap) mapped.stored -= 512
    if (mapped.stored < 0) throw invalid(`${quoted(entry.name)}: the map of its holes is longer than what is stored`)
    about(quoted(entry.name), () => map.push(block, { limit: this.#limits.extended }))
    if (!map.more) this.#beginSparse(entry, mapped.stored, (stored) => map.finish(stored))
  }

  #beginSparse(entry: Entry, stored: number, mapOf: (stored: number) => SparseMap): void {
    this.#mapped = undefined
    const map = about(quoted(entry.name), () => mapOf(stored))
    this.#spreadOut += map.size
    if (this.#spreadOut > this.#limits.inflated)
      throw excessive(`${quoted(entry.name)}: more than ${this.#limits.inflated} bytes of files with their holes`)
    this.#spread = new Spread(this.#handler, map)
    this.#begin({ ...entry, size: map.size }, stored)
  }

  #contentBytes(chunk: Buffer, at: number): number {
    const took = Math.min(this.#rest, chunk.length - at)
    const piece = chunk.subarray(at, at + took)
    if (this.#spread === undefined) this.#handler.data(piece)
    else this.#spread.data(piece)
    this.#rest -= took
    if (this.#rest === 0) this.#endContent()
    return at + took
  }

  #endContent(): void {
    this.#spread?.finish()
    this.#spread = undefined
    this.#handler.end()
    this.#skip('padding', 0, this.#pad)
  }

  #beginExtended(type: string, size: number): void {
    this.#overriding += size
    if (this.#overriding > this.#limits.extended) throw invalid(`an extended header of ${this.#overriding} bytes ${this.#where()}`)
    this.#extended = type
    this.#overridden = true
    this.#part = 'extended'
    this.#rest = size
    this.#pad = padding(size)
    this.#held = 0
    if (this.#room.length < size) this.#room = Buffer.alloc(size)
    if (size === 0) this.#endExtended()
  }

  #extendedBytes(chunk: Buffer, at: number): number {
    const took = Math.min(this.#rest, chunk.length - at)
    chunk.copy(this.#room, this.#held, at, at + took)
    this.#held += took
    this.#rest -= took
    if (this.#rest === 0) this.#endExtended()
    return at + took
  }

  #endExtended(): void {
    const bytes = this.#room.subarray(0, this.#held)
    this.#held = 0
    const what = `a header ${this.#where()}`
    if (this.#extended === 'x') about(what, () => paxRecords(bytes, this.#overrides))
    else set(this.#overrides, this.#extended === 'L' ? 'name' : 'target', untilNul(bytes))
    // a large room is needed once and not kept; headers need 512 bytes of it
    if (this.#room.length > 65536) this.#room = Buffer.alloc(512)
    this.#skip('padding', 0, this.#pad)
  }

  #where(): string {
    return this.#last === undefined ? 'at the beginning' : `after ${quoted(this.#last)}`
  }

  #skip(part: Part, size: number, pad = padding(size)): void {
    this.#rest = size + pad
    this.#part = this.#rest === 0 ? 'header' : part
  }

  #skippedBytes(chunk: Buffer, at: number): number {
    const took = Math.min(this.#rest, chunk.length - at)
    this.#rest -= took
    if (this.#rest === 0) this.#part = 'header'
    return at + took
  }
}

/** What goes wrong is said to be of something. */
function about<T>(what: string, work: () => T): T {
  try {
    return work()
  } catch (error) {
    if (!(error instanceof Failure)) throw error
    throw new Failure(error.code, `${error.message}, in ${what}`, { cause: error })
  }
}

const padding = (size: number): number => (512 - (size % 512)) % 512

function untilNul(bytes: Buffer): string {
  const end = bytes.indexOf(0)
  return bytes.toString('latin1', 0, end < 0 ? bytes.length : end)
}
