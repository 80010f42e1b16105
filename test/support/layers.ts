/** Archives byte by byte: what no honest writer would write, names in any bytes, headers of every kind. Synchronous. */

/** One entry, or bytes as they are. */
export type Piece = Buffer

export interface Attributes {
  readonly mode?: number
  readonly uid?: number
  readonly gid?: number
  /** seconds since 1970 */
  readonly mtime?: number
  /** put before the entry as an extended header; values are bytes */
  readonly pax?: Readonly<Record<string, string | Buffer>>
  readonly magic?: 'ustar' | 'gnu' | 'none'
  readonly prefix?: string
  /** what the header says of it, when that is not the length of the content */
  readonly size?: number
  readonly major?: number
  readonly minor?: number
}

const common = (type: string, name: string, target: string, content: Buffer, attributes: Attributes): Piece =>
  Buffer.concat([
    ...(attributes.pax ? [paxHeader('x', attributes.pax)] : []),
    header({ ...attributes, type, name, target, size: attributes.size ?? content.length }),
    padded(content),
  ])

const nothing = Buffer.alloc(0)

export const file = (name: string, content: string | Buffer = '', attributes: Attributes = {}): Piece =>
  common('0', name, '', Buffer.from(content as string), attributes)
export const directory = (name: string, attributes: Attributes = {}): Piece =>
  common('5', name, '', nothing, { mode: 0o755, ...attributes })
/** As in `ln -s target name`. */
export const symlink = (target: string, name: string, attributes: Attributes = {}): Piece =>
  common('2', name, target, nothing, { mode: 0o777, ...attributes })
export const link = (target: string, name: string, attributes: Attributes = {}): Piece => common('1', name, target, nothing, attributes)
export const character = (name: string, major: number, minor: number, attributes: Attributes = {}): Piece =>
  common('3', name, '', nothing, { ...attributes, major, minor })
export const block = (name: string, major: number, minor: number, attributes: Attributes = {}): Piece =>
  common('4', name, '', nothing, { ...attributes, major, minor })
export const fifo = (name: string, attributes: Attributes = {}): Piece => common('6', name, '', nothing, attributes)
export const ofType = (type: string, name: string, content = '', attributes: Attributes = {}): Piece =>
  common(type, name, '', Buffer.from(content), attributes)

/** GNU's way to say a long name: an entry of its own before the entry. */
export const longName = (name: string, entry: Piece): Piece => Buffer.concat([ofType('L', '././@LongLink', `${name}\0`), entry])
export const longLink = (target: string, entry: Piece): Piece => Buffer.concat([ofType('K', '././@LongLink', `${target}\0`), entry])

/** The two blocks that end an archive. */
export const end = Buffer.alloc(1024)

/** An archive of pieces, ended as it should be. */
export const archive = (...pieces: readonly Piece[]): Buffer => Buffer.concat([...pieces, end])

/** An extended header of its own; type `g` is for the rest of the archive. */
export function paxHeader(type: 'x' | 'g', records: Readonly<Record<string, string | Buffer>>): Piece {
  const bytes = Buffer.concat(Object.entries(records).map(([key, value]) => paxRecord(key, value)))
  return Buffer.concat([header({ type, name: 'pax', target: '', size: bytes.length }), padded(bytes)])
}

interface HeaderInit extends Attributes {
  readonly type: string
  readonly name: string
  readonly target: string
  readonly size: number
}

/** A header block with a right checksum. Names are latin1: one character a byte. */
export function header(init: HeaderInit): Buffer {
  const bytes = Buffer.alloc(512)
  bytes.write(init.name, 0, 100, 'latin1')
  number(bytes, 100, 8, init.mode ?? 0o644)
  number(bytes, 108, 8, init.uid ?? 0)
  number(bytes, 116, 8, init.gid ?? 0)
  number(bytes, 124, 12, init.size)
  number(bytes, 136, 12, init.mtime ?? 1_000_000)
  bytes.write(init.type, 156, 1, 'latin1')
  bytes.write(init.target, 157, 100, 'latin1')
  const magic = init.magic ?? 'ustar'
  if (magic !== 'none') bytes.write(magic === 'gnu' ? 'ustar  \0' : 'ustar\x0000', 257, 8, 'latin1')
  number(bytes, 329, 8, init.major ?? 0)
  number(bytes, 337, 8, init.minor ?? 0)
  bytes.write(init.prefix ?? '', 345, 155, 'latin1')
  return summed(bytes)
}

/** Put the right checksum into a header. */
export function summed(bytes: Buffer): Buffer {
  bytes.fill(0x20, 148, 156)
  const sum = bytes.subarray(0, 512).reduce((total, byte) => total + byte, 0)
  bytes.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148, 8, 'latin1')
  return bytes
}

/** Octal if it fits, else binary as GNU writes it. */
function number(bytes: Buffer, at: number, length: number, value: number): void {
  const octal = value.toString(8)
  if (value >= 0 && octal.length < length) {
    bytes.write(`${octal.padStart(length - 1, '0')}\0`, at, length, 'latin1')
    return
  }
  let rest = BigInt(value)
  for (let index = at + length - 1; index >= at; index--) {
    bytes[index] = Number(rest & 0xffn)
    rest >>= 8n
  }
  bytes[at] = (bytes[at] as number) | 0x80
}

/** One record of an extended header. */
export function paxRecord(key: string, value: string | Buffer): Buffer {
  const bytes = Buffer.from(value as string)
  const rest = Buffer.byteLength(key) + bytes.length + 3
  let length = rest + String(rest).length
  if (String(length).length > String(rest).length) length = rest + String(length).length
  return Buffer.concat([Buffer.from(`${length} ${key}=`), bytes, Buffer.from('\n')])
}

const padded = (content: Buffer): Buffer => Buffer.concat([content, Buffer.alloc((512 - (content.length % 512)) % 512)])
