import { invalid, quoted } from '../invalid.ts'
import { type Entry, kinds } from './entry.ts'
import { headerNumber } from './numbers.ts'
import type { Overrides } from './pax.ts'

/** A header's type, read before the rest: some headers are about the next one. */
export const typeOf = (block: Buffer): string => String.fromCharCode(block[156] ?? 0)

export function sizeOf(block: Buffer): number {
  const size = headerNumber(block, 124, 12)
  if (!(size >= 0)) throw invalid(`${quoted(nameOf(block))}: its size is malformed`)
  return size
}

/** Whether the checksum is that of the block; old archives summed signed bytes. */
export function checksumHolds(block: Buffer): boolean {
  const said = headerNumber(block, 148, 8)
  let sum = 8 * 0x20
  for (let at = 0; at < 148; at++) sum += block[at] as number
  for (let at = 156; at < 512; at++) sum += block[at] as number
  return sum === said || signedSum(block) === said
}

/** Whether the block is nothing but zeros: the end of an archive is two of them. */
export function isZero(block: Buffer): boolean {
  for (let at = 0; at < 512; at++) if (block[at] !== 0) return false
  return true
}

/** The entry a header describes, with what the headers before it say in place of it. */
export function entryOf(block: Buffer, overrides: Overrides): Entry {
  const name = overrides.sparse?.name ?? overrides.name ?? nameOf(block)
  const typed = kinds[typeOf(block)]
  if (typed === undefined) throw invalid(`${quoted(name)}: unknown type ${quoted(typeOf(block))}`)
  // before there was a type for directories, a slash said it
  const kind = typed === 'file' && name.endsWith('/') ? 'directory' : typed
  const numbered = typed === 'character' || typed === 'block'
  return {
    kind,
    name,
    target: overrides.target ?? text(block, 157, 100),
    size: kind === 'file' ? (overrides.size ?? sizeOf(block)) : 0,
    mode: number(block, 100, 8, name) & 0o7777,
    uid: owner(overrides.uid ?? number(block, 108, 8, name), name),
    gid: owner(overrides.gid ?? number(block, 116, 8, name), name),
    modified: overrides.modified ?? { seconds: number(block, 136, 12, name), nanoseconds: 0 },
    accessed: overrides.accessed,
    major: numbered ? number(block, 329, 8, name) : 0,
    minor: numbered ? number(block, 337, 8, name) : 0,
    xattrs: overrides.xattrs,
  }
}

/** Whether the header has GNU's fields where POSIX has a prefix. */
export const isGnu = (block: Buffer): boolean => block.toString('latin1', 257, 265) === 'ustar  \0'

/** Only POSIX headers have a prefix; in those of GNU other things stand there, and in those of star it is shorter. */
export function nameOf(block: Buffer): string {
  const name = text(block, 0, 100)
  const posix = block[257] === 0x75 && block.toString('latin1', 257, 263) === 'ustar\0'
  if (!posix || block[345] === 0) return name
  const star = block.toString('latin1', 508, 512) === 'tar\0'
  return `${text(block, 345, star ? 131 : 155)}/${name}`
}

function text(block: Buffer, from: number, length: number): string {
  let end = from
  while (end < from + length && block[end] !== 0) end++
  return block.toString('latin1', from, end)
}

function number(block: Buffer, from: number, length: number, of: string): number {
  const value = headerNumber(block, from, length)
  if (Number.isNaN(value)) throw invalid(`${quoted(of)}: a number of its header is malformed`)
  return value
}

/** 32 bits, the last number taken: to the kernel it means "leave it". */
function owner(id: number, of: string): number {
  if (id < 0 || id >= 0xffffffff) throw invalid(`${quoted(of)}: its owner ${id} is out of range`)
  return id
}

function signedSum(block: Buffer): number {
  let sum = 8 * 0x20
  for (let at = 0; at < 512; at++) if (at < 148 || at >= 156) sum += ((block[at] as number) << 24) >> 24
  return sum
}
