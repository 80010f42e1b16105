/** Two encodings, one meaning: msgpack between programs, JSON for people. */
import { type Options, Packr } from 'msgpackr'
import { Failure } from '../../messages/grammar/index.ts'
import type { Packet } from './bus.ts'

/** How the bytes of a packet are to be read. */
export type Encoding = 'json' | 'msgpack'

/** The header that says so, and its value for msgpack; anything else means JSON. */
export const contentType = 'Content-Type'
const msgpackType = 'application/msgpack'

// Plain maps, no records and no extension types: any msgpack reader reads them. A field that is undefined is left out, as JSON does.
const plain: Options & { skipValues: unknown[] } = {
  useRecords: false,
  variableMapSize: true,
  skipValues: [undefined],
  encodeUndefinedAsNil: true,
}
const packr = new Packr(plain)

/** The encoding of a packet, which is also the one its answer is given in. */
export const encodingOf = (packet: Packet): Encoding => (packet.headers[contentType] === msgpackType ? 'msgpack' : 'json')

/** Headers that name an encoding. JSON needs none. */
export const encodingHeaders = (encoding: Encoding): Readonly<Record<string, string>> =>
  encoding === 'msgpack' ? { [contentType]: msgpackType } : {}

/** A value as bytes. Bytes in it stay bytes in msgpack and become base64 in JSON. */
export function encode(value: unknown, encoding: Encoding): Uint8Array {
  if (encoding === 'json') return Buffer.from(JSON.stringify(value, base64))
  const bulk = bulkOf(value)
  return bulk > 0 ? packBulk(value, bulk) : packr.pack(value)
}

/** Bytes in the fields of a value, when they are many. */
function bulkOf(value: unknown): number {
  if (typeof value !== 'object' || value === null) return 0
  const bytes = Object.values(value).reduce((sum: number, field) => (field instanceof Uint8Array ? sum + field.byteLength : sum), 0)
  return bytes > 16 * 1024 ? bytes : 0
}

/** In a buffer of the right size: the packer would make its own four times as large, and then keep it for small messages. */
function packBulk(value: unknown, bulk: number): Uint8Array {
  packr.useBuffer(Buffer.allocUnsafeSlow(bulk + 8 * 1024))
  try {
    return packr.pack(value)
  } finally {
    packr.useBuffer(Buffer.allocUnsafeSlow(8 * 1024))
  }
}

/** The value of a packet; nothing at all means `{}`. Fails with invalid_argument when the bytes are not what the header says. */
export function decode(packet: Packet): unknown {
  if (packet.payload.length === 0) return {}
  const encoding = encodingOf(packet)
  if (encoding === 'json' && isDeep(packet.payload))
    throw new Failure('invalid_argument', `read a json payload of ${packet.payload.length} bytes: it is nested deeper than ${mostDeep}`)
  try {
    return encoding === 'msgpack' ? packr.unpack(packet.payload) : JSON.parse(Buffer.from(packet.payload).toString())
  } catch (error) {
    // What cannot be read is quoted in it, whatever it is.
    const why = (error as Error).message.toWellFormed().replaceAll(/[\s\p{Cc}]+/gu, ' ')
    throw new Failure('invalid_argument', `read a ${encoding} payload of ${packet.payload.length} bytes: ${why}`, { cause: error })
  }
}

/** Far more than any message is. */
const mostDeep = 256

/** Whether JSON is nested so deep that reading it would take hundreds of times its size. */
function isDeep(text: Uint8Array): boolean {
  let depth = 0
  let quoted = false
  for (let at = 0; at < text.length; at++) {
    const byte = text[at]
    if (byte === quote) quoted = !quoted
    else if (byte === backslash) at += 1
    else if (quoted) continue
    else if (byte === 0x5b || byte === 0x7b) depth += 1
    else if (byte === 0x5d || byte === 0x7d) depth -= 1
    if (depth > mostDeep) return true
  }
  return false
}

const quote = 0x22
const backslash = 0x5c

/** JSON.stringify hands over what `toJSON` made of a Buffer; the original is in the holder. */
function base64(this: Record<string, unknown>, key: string, value: unknown): unknown {
  const original = this[key]
  return original instanceof Uint8Array ? Buffer.from(original.buffer, original.byteOffset, original.byteLength).toString('base64') : value
}
