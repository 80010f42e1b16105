import type { Moment } from '../../../runtime/syscalls/index.ts'
import { invalid, quoted } from '../invalid.ts'
import { decimal } from './numbers.ts'
import { type SparseRecords, sparseRecord } from './sparse.ts'

/** What the headers before an entry say of it, in place of what its own header says. */
export interface Overrides {
  name?: string
  target?: string
  size?: number
  uid?: number
  gid?: number
  modified?: Moment
  accessed?: Moment
  xattrs?: Map<string, Uint8Array>
  /** the entry is stored without its holes */
  sparse?: SparseRecords
}

const xattrPrefix = 'SCHILY.xattr.'
const encodedPrefix = 'LIBARCHIVE.xattr.'
const sparsePrefix = 'GNU.sparse.'

/** The records of a PAX extended header: `<length> <key>=<value>\n`, where a value may be any bytes. An empty value takes an earlier one back. */
export function paxRecords(bytes: Buffer, into: Overrides): void {
  for (let at = 0; at < bytes.length; ) {
    const space = bytes.indexOf(0x20, at)
    const length = space < 0 ? Number.NaN : decimal(bytes.toString('latin1', at, space))
    const equals = bytes.indexOf(0x3d, space)
    const end = at + length
    if (!(length > 0) || end > bytes.length || equals < 0 || equals >= end || bytes[end - 1] !== 0x0a) throw invalid('malformed PAX record')
    record(bytes.toString('latin1', space + 1, equals), bytes.subarray(equals + 1, end - 1), into)
    at = end
  }
}

function record(key: string, value: Buffer, into: Overrides): void {
  if (key.startsWith(xattrPrefix)) xattr(key.slice(xattrPrefix.length), value, into)
  else if (key.startsWith(encodedPrefix)) encodedXattr(key.slice(encodedPrefix.length), value, into)
  else if (key.startsWith(sparsePrefix)) {
    into.sparse ??= { inside: false, size: undefined, numbers: [] }
    sparseRecord(key.slice(sparsePrefix.length), withoutNul(value.toString('latin1')), into.sparse)
  } else (Object.hasOwn(readers, key) ? readers[key] : undefined)?.(into, value.toString('latin1'), key)
}

const readers: Readonly<Record<string, (into: Overrides, text: string, key: string) => void>> = {
  path: (into, text) => set(into, 'name', withoutNul(text)),
  linkpath: (into, text) => set(into, 'target', withoutNul(text)),
  size: (into, text, key) => set(into, 'size', natural(text, key)),
  uid: (into, text, key) => set(into, 'uid', natural(text, key)),
  gid: (into, text, key) => set(into, 'gid', natural(text, key)),
  mtime: (into, text, key) => set(into, 'modified', moment(text, key)),
  atime: (into, text, key) => set(into, 'accessed', moment(text, key)),
}

/** Override one thing; what is empty overrides nothing. */
export function set<K extends keyof Overrides>(into: Overrides, key: K, value: Overrides[K] | undefined): void {
  if (value === undefined || value === '') delete into[key]
  else into[key] = value as NonNullable<Overrides[K]>
}

function xattr(name: string, value: Buffer, into: Overrides): void {
  if (name === '' || name.includes('\0')) throw invalid(`malformed name of an extended attribute ${quoted(name)}`)
  into.xattrs ??= new Map()
  // the bytes are kept beyond the chunk they came in
  into.xattrs.set(name, Buffer.from(value))
}

/** libarchive's own way, beside the other or alone: the name as in an URL, the value in base64. */
function encodedXattr(encoded: string, value: Buffer, into: Overrides): void {
  const name = encoded.replace(/%([0-9A-Fa-f]{2})/g, (_, hex: string) => String.fromCharCode(Number.parseInt(hex, 16)))
  const text = value.toString('latin1')
  if (!/^[A-Za-z0-9+/]*={0,2}$/.test(text)) throw invalid(`the value of attribute ${quoted(name)} is not base64`)
  xattr(name, Buffer.from(text, 'base64'), into)
}

function withoutNul(text: string): string {
  if (text.includes('\0')) throw invalid(`${quoted(text)}: a NUL in a name`)
  return text
}

function natural(text: string, key: string): number | undefined {
  if (text === '') return undefined
  const value = decimal(text)
  if (!(value >= 0) || !Number.isSafeInteger(value)) throw invalid(`PAX ${key} ${quoted(text)} is not a number`)
  return value
}

/** Seconds with a fraction, of which nine digits count: `-1.5` is half a second before -1. */
function moment(text: string, key: string): Moment | undefined {
  if (text === '') return undefined
  const parts = /^(-?)([0-9]{1,15})(?:\.([0-9]*))?$/.exec(text)
  if (parts === null) throw invalid(`PAX ${key} ${quoted(text)} is not a time`)
  const whole = Number(parts[2])
  const nanoseconds = Number((parts[3] ?? '').slice(0, 9).padEnd(9, '0'))
  if (parts[1] === '') return { seconds: whole, nanoseconds }
  return nanoseconds === 0 ? { seconds: -whole, nanoseconds } : { seconds: -whole - 1, nanoseconds: 1e9 - nanoseconds }
}
