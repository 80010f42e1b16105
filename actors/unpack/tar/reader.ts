import { Failure } from '../../../messages/grammar/index.ts'
import { excessive, invalid, quoted } from '../invalid.ts'
import type { Limits } from '../limits.ts'
import type { Entry } from './entry.ts'
import { checksumHolds, entryOf, isZero, sizeOf, typeOf } from './header.ts'
import { type Overrides, paxRecords } from './pax.ts'

/** Who is told what is in an archive, in its order: `begin`, `data` for the pieces of a file, `end`; for each entry. */
export interface TarHandler {
  begin(entry: Entry): void
  /** Part of the file begun last: a view of the chunk, not to be kept. */
  data(piece: Buffer): void
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
 * is not understood fails with data_loss naming the entry; sparse files with unimplemented.
 */
export function tarReader(handler: TarHandler, limits: Limits): TarReader {
  return new Reader(handler, limits)
}

/** What the bytes at hand belong to. */
type Part = 'header' | 'extended' | 'content' | 'padding' | 'skipped' | 'over'

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
  #overridden = false
  #zeros = 0
  #entries = 0
  #last = ''

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
    if (this.#part !== 'header' || this.#held > 0) throw invalid(`it ends in the middle of ${quoted(this.#last)}`)
    if (this.#overridden) throw invalid('it ends after a header that is about an entry')
  }

  #take(chunk: Buffer, at: number): number {
    switch (this.#part) {
      case 'header':
        return this.#headerBytes(chunk, at)
      case 'extended':
        return this.#extendedBytes(chunk, at)
      case 'content':
        return this.#contentBytes(chunk, at)
      default:
        return this.#skippedBytes(chunk, at)
    }
  }

  #headerBytes(chunk: Buffer, at: number): number {
    if (this.#held === 0 && chunk.length - at >= 512) {
      this.#header(chunk.subarray(at, at + 512))
      return at + 512
    }
    const took = Math.min(512 - this.#held, chunk.length - at)
    chunk.copy(this.#room, this.#held, at, at + took)
    this.#held += took
    if (this.#held === 512) {
      this.#held = 0
      this.#header(this.#room)
    }
    return at + took
  }

  #header(block: Buffer): void {
    if (block[0] === 0 && isZero(block)) this.#zero()
    else this.#described(block)
  }

  #described(block: Buffer): void {
    if (this.#zeros > 0) throw invalid('an entry after a block of zeros')
    if (!checksumHolds(block)) throw invalid(`the header after ${quoted(this.#last)} has a wrong checksum`)
    const type = typeOf(block)
    if (type === 'x' || type === 'L' || type === 'K') this.#beginExtended(type, sizeOf(block))
    else if (type === 'g') this.#skip('skipped', sizeOf(block))
    else if (type !== 'S' && this.#overrides.sparse !== true) this.#entry(entryOf(block, this.#overrides))
    else {
      const name = this.#overrides.name ?? untilNul(block.subarray(0, 100))
      throw new Failure('unimplemented', `apply layer: ${quoted(name)} is stored as a sparse file`)
    }
  }

  #zero(): void {
    if (this.#overridden) throw invalid('it ends after a header that is about an entry')
    this.#zeros++
    if (this.#zeros === 2) this.#part = 'over'
  }

  #entry(entry: Entry): void {
    if (this.#overridden) {
      this.#overrides = {}
      this.#overridden = false
    }
    if (++this.#entries > this.#limits.entries) throw excessive(`more than ${this.#limits.entries} entries`)
    this.#last = entry.name
    this.#handler.begin(entry)
    if (entry.size === 0) {
      this.#handler.end()
      return
    }
    this.#part = 'content'
    this.#rest = entry.size
    this.#pad = padding(entry.size)
  }

  #contentBytes(chunk: Buffer, at: number): number {
    const took = Math.min(this.#rest, chunk.length - at)
    this.#handler.data(chunk.subarray(at, at + took))
    this.#rest -= took
    if (this.#rest === 0) {
      this.#handler.end()
      this.#skip('padding', 0, this.#pad)
    }
    return at + took
  }

  #beginExtended(type: string, size: number): void {
    if (size > this.#limits.extended) throw invalid(`an extended header of ${size} bytes after ${quoted(this.#last)}`)
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
    if (this.#extended === 'x') paxRecords(bytes, this.#overrides)
    else if (this.#extended === 'L') this.#overrides.name = untilNul(bytes)
    else this.#overrides.target = untilNul(bytes)
    // a large room is needed once and not kept; headers need 512 bytes of it
    if (this.#room.length > 65536) this.#room = Buffer.alloc(512)
    this.#skip('padding', 0, this.#pad)
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

const padding = (size: number): number => (512 - (size % 512)) % 512

function untilNul(bytes: Buffer): string {
  const end = bytes.indexOf(0)
  return bytes.toString('latin1', 0, end < 0 ? bytes.length : end)
}
