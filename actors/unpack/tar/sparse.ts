import { excessive, invalid } from '../invalid.ts'
import { decimal, headerNumber } from './numbers.ts'

/** A stretch of a file that is stored; between them there are holes. */
export interface Segment {
  readonly offset: number
  readonly length: number
}

/** How a file that is stored without its holes is to be spread out again. */
export interface SparseMap {
  /** of the whole file */
  readonly size: number
  /** in order, none over another, together as long as what is stored */
  readonly segments: readonly Segment[]
}

/** What is said of the holes of a file before its header. */
export interface SparseRecords {
  /** in place of any other name */
  name?: string
  /** the map stands at the beginning of what is stored */
  inside: boolean
  size: number | undefined
  /** offset, length, offset, length… */
  numbers: number[]
}

/** One of the records `GNU.sparse.…`, of any of the three ways of PAX. */
export function sparseRecord(key: string, value: string, into: SparseRecords): void {
  if (key === 'name') into.name = value
  else if (key === 'major' || key === 'minor') into.inside = version(key, value) || into.inside
  else if (key === 'size' || key === 'realsize') into.size = natural(value, key)
  else if (key === 'map') into.numbers = value === '' ? [] : value.split(',').map((text) => natural(text, key))
  else if (key === 'offset' || key === 'numbytes') {
    if ((key === 'offset') !== (into.numbers.length % 2 === 0)) throw invalid('the map of its holes is not in pairs')
    into.numbers.push(natural(value, key))
  }
}

/** The map is inside since version 1.0; there is none after it. */
function version(key: string, value: string): boolean {
  const number = natural(value, key)
  if (number > (key === 'major' ? 1 : 0)) throw invalid(`its holes are told in a way nobody knows: ${key} ${number}`)
  return key === 'major' && number === 1
}

function natural(text: string, key: string): number {
  const value = decimal(text)
  if (!(value >= 0) || !Number.isSafeInteger(value)) throw invalid(`PAX GNU.sparse.${key} is not a number`)
  return value
}

/** The map, if it is one: fails with data_loss when it does not agree with itself, or with the bytes stored. */
export function sparseMap({ size, numbers }: { size: number | undefined; numbers: readonly number[] }, stored: number): SparseMap {
  if (size === undefined || numbers.length % 2 !== 0) throw invalid('the map of its holes is not whole')
  const segments: Segment[] = []
  let [at, sum] = [0, 0]
  for (let index = 0; index < numbers.length; index += 2) {
    const [offset, length] = [numbers[index] ?? 0, numbers[index + 1] ?? 0]
    if (offset < at || offset + length > size) throw invalid(`the map of its holes is not in order at ${offset}`)
    at = offset + length
    sum += length
    if (length > 0) segments.push({ offset, length })
  }
  if (sum !== stored) throw invalid(`the map of its holes tells of ${sum} bytes, ${stored} are stored`)
  return { size, segments }
}

/** Who is told what is stored, and how much is not. */
export interface Spreadable {
  data(piece: Buffer): void
  hole(length: number): void
}

/** Tells what is stored of a file with its holes between. */
export class Spread {
  readonly #handler: Spreadable
  readonly #map: SparseMap
  #index = 0
  #at = 0

  constructor(handler: Spreadable, map: SparseMap) {
    this.#handler = handler
    this.#map = map
  }

  data(piece: Buffer): void {
    for (let rest = piece; rest.length > 0; ) {
      const segment = this.#map.segments[this.#index]
      if (segment === undefined) throw new Error('more is stored than the map tells of')
      this.#hole(segment.offset)
      const end = segment.offset + segment.length
      const took = rest.subarray(0, Math.min(rest.length, end - this.#at))
      this.#handler.data(took)
      this.#at += took.length
      if (this.#at === end) this.#index++
      rest = rest.subarray(took.length)
    }
  }

  finish(): void {
    this.#hole(this.#map.size)
  }

  #hole(end: number): void {
    if (end <= this.#at) return
    this.#handler.hole(end - this.#at)
    this.#at = end
  }
}

/** The map of an old GNU header, four segments in it and more in the blocks that follow, as each says. */
export class OldMap {
  readonly #numbers: number[] = []
  readonly #size: number
  /** another block follows */
  more: boolean

  constructor(header: Buffer) {
    this.#size = headerNumber(header, 483, 12)
    this.more = this.#take(header, { at: 386, count: 4 })
  }

  push(block: Buffer, { limit }: { limit: number }): void {
    this.more = this.#take(block, { at: 0, count: 21 })
    if (this.#numbers.length * 12 > limit) throw excessive(`a map of holes of more than ${limit} bytes`)
  }

  finish(stored: number): SparseMap {
    return sparseMap({ size: this.#size >= 0 ? this.#size : undefined, numbers: this.#numbers }, stored)
  }

  #take(block: Buffer, { at, count }: { at: number; count: number }): boolean {
    for (let index = 0; index < count; index++) {
      const from = at + index * 24
      // the first one that is empty ends it
      if (block[from + 12] === 0) break
      const [offset, length] = [headerNumber(block, from, 12), headerNumber(block, from + 12, 12)]
      if (!(offset >= 0 && length >= 0)) throw invalid('a number in the map of its holes is malformed')
      this.#numbers.push(offset, length)
    }
    return block[at + count * 24] !== 0
  }
}

/** The map at the beginning of what is stored: a count and so many pairs, each number on a line, up to a whole block. */
export class InnerMap {
  readonly #numbers: number[] = []
  readonly #size: number | undefined
  #text = ''
  #count: number | undefined
  /** another block follows */
  more = true

  constructor(size: number | undefined) {
    this.#size = size
  }

  push(block: Buffer, { limit }: { limit: number }): void {
    const lines = (this.#text + block.toString('latin1')).split('\n')
    this.#text = lines.pop() ?? ''
    for (const line of lines) if (this.more) this.#line(line)
    if (this.#numbers.length * 12 > limit) throw excessive(`a map of holes of more than ${limit} bytes`)
    if (this.more && this.#text.length > 512) throw invalid('a number in the map of its holes is malformed')
  }

  finish(stored: number): SparseMap {
    return sparseMap({ size: this.#size, numbers: this.#numbers }, stored)
  }

  #line(line: string): void {
    const number = natural(line, 'map')
    if (this.#count === undefined) this.#count = number
    else this.#numbers.push(number)
    this.more = this.#numbers.length < this.#count * 2
  }
}
