import type { Xattrs } from './xattrs.ts'

/** What an archive says of one thing. Names are latin1, one character a byte; that of a directory ends in a slash. */
export interface Told {
  readonly name: string
  readonly type: 'file' | 'link' | 'symlink' | 'character' | 'block' | 'directory' | 'fifo'
  readonly mode: number
  readonly uid: number
  readonly gid: number
  /** whole seconds since 1970 */
  readonly modified: number
  /** of a file */
  readonly size?: number
  /** of a link, hard or symbolic */
  readonly target?: string
  /** of a device */
  readonly major?: number
  readonly minor?: number
  readonly xattrs?: Xattrs
}

export const blockBytes = 512

/**
 * The header of an entry: a POSIX block, and before it, only if that cannot say all, an extended one (PAX) with the rest. The same thing always gives the same bytes; user and group
 * have no names, and nothing is said of times but the last change.
 */
export function headerOf(told: Told): Buffer {
  const records = recordsOf(told)
  const plain = block(told, typeflags[told.type])
  if (records.length === 0) return plain
  const body = Buffer.concat(records)
  const base = told.name.replace(/\/$/, '').split('/').at(-1) ?? ''
  const extended: Told = { name: `PaxHeaders.0/${base}`.slice(0, 100), type: 'file', mode: 0o644, uid: 0, gid: 0, modified: 0 }
  return Buffer.concat([block({ ...extended, size: body.length }, 'x'), body, Buffer.alloc(padding(body.length)), plain])
}

/** Bytes from the end of so many to the end of their block. */
export const padding = (bytes: number): number => (blockBytes - (bytes % blockBytes)) % blockBytes

const typeflags = { file: '0', link: '1', symlink: '2', character: '3', block: '4', directory: '5', fifo: '6' } as const

/** What seven, and eleven, octal digits can say. */
const most7 = 0o7777777
const most11 = 0o77777777777

/** The records of the extended header, by their keys. */
function recordsOf(told: Told): Buffer[] {
  const { name, target = '', uid, gid, size = 0, modified, xattrs } = told
  const records: Buffer[] = []
  if (gid > most7) records.push(record('gid', String(gid)))
  if (target.length > 100) records.push(record('linkpath', target))
  if (modified < 0 || modified > most11) records.push(record('mtime', String(modified)))
  if (splitName(name) === undefined) records.push(record('path', name))
  if (size > most11) records.push(record('size', String(size)))
  if (uid > most7) records.push(record('uid', String(uid)))
  for (const [key, value] of xattrs ?? []) records.push(record(`SCHILY.xattr.${key}`, value.toString('latin1')))
  return records
}

/** `<length of all this> <key>=<value>\n`; the length counts its own digits. */
function record(key: string, value: string): Buffer {
  const rest = key.length + value.length + 3
  let length = rest + String(rest).length
  if (String(length).length > String(rest).length) length++
  return Buffer.from(`${length} ${key}=${value}\n`, 'latin1')
}

function block(told: Told, typeflag: string): Buffer {
  const bytes = Buffer.alloc(blockBytes)
  const { prefix, rest } = splitName(told.name) ?? { prefix: '', rest: told.name }
  bytes.write(rest, 0, 100, 'latin1')
  octal(bytes, 100, 8, told.mode & 0o7777)
  octal(bytes, 108, 8, told.uid <= most7 ? told.uid : 0)
  octal(bytes, 116, 8, told.gid <= most7 ? told.gid : 0)
  octal(bytes, 124, 12, (told.size ?? 0) <= most11 ? (told.size ?? 0) : 0)
  octal(bytes, 136, 12, told.modified >= 0 && told.modified <= most11 ? told.modified : 0)
  bytes.write(typeflag, 156, 'latin1')
  bytes.write(told.target ?? '', 157, 100, 'latin1')
  bytes.write('ustar\x0000', 257, 'latin1')
  octal(bytes, 329, 8, told.major ?? 0)
  octal(bytes, 337, 8, told.minor ?? 0)
  bytes.write(prefix, 345, 155, 'latin1')
  bytes.fill(' ', 148, 156)
  let sum = 0
  for (const byte of bytes) sum += byte
  bytes.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148, 'latin1')
  return bytes
}

/** A name of more than 100 bytes in the two fields of the block, parted at a slash; undefined when it does not fit. */
function splitName(name: string): { prefix: string; rest: string } | undefined {
  if (name.length <= 100) return { prefix: '', rest: name }
  const at = name.indexOf('/', name.length - 101)
  if (at <= 0 || at > 155 || at === name.length - 1) return undefined
  return { prefix: name.slice(0, at), rest: name.slice(at + 1) }
}

const octal = (bytes: Buffer, at: number, width: number, value: number): void =>
  void bytes.write(`${value.toString(8).padStart(width - 1, '0')}\0`, at, width, 'latin1')
