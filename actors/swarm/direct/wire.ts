/**
 * What is said on a connection between two nodes. Who connects says `hello` and the key it was given, 32 bytes, then asks as often as it likes; every question has one answer, in the
 * order asked. Numbers are big endian.
 *
 *     question   16 bytes: id (4), length (4), offset (8)
 *     answer      8 bytes: id (4), length (4), and so many bytes; or id, and -1 - the place of a code in `codes`
 */
import type { Code, Failure } from '../../../messages/grammar/index.ts'

/** No other protocol begins so: whoever is connected to by mistake is not taken in. */
export const hello = Buffer.from('gantry/1')
export const keyBytes = 32
export const questionBytes = 16
export const answerBytes = 8
/** Most bytes of one answer: a piece. */
const mostBytes = 1024 * 1024

/** Bytes of the blob the connection is for. */
export interface Question {
  readonly id: number
  readonly offset: number
  readonly length: number
}

/** What may be answered instead of bytes; the order is what is on the wire. */
const codes = ['internal', 'not_found', 'out_of_range', 'resource_exhausted', 'data_loss', 'unavailable'] as const satisfies readonly Code[]

export function writeQuestion({ id, offset, length }: Question): Buffer {
  const bytes = Buffer.alloc(questionBytes)
  bytes.writeUInt32BE(id, 0)
  bytes.writeUInt32BE(length, 4)
  bytes.writeBigUInt64BE(BigInt(offset), 8)
  return bytes
}

/** Undefined when nobody asks that. */
export function readQuestion(bytes: Buffer): Question | undefined {
  const id = bytes.readUInt32BE(0)
  const length = bytes.readUInt32BE(4)
  const offset = Number(bytes.readBigUInt64BE(8))
  return length > 0 && length <= mostBytes && Number.isSafeInteger(offset) ? { id, offset, length } : undefined
}

export function writeAnswer(id: number, { length }: { length: number }): Buffer {
  const bytes = Buffer.alloc(answerBytes)
  bytes.writeUInt32BE(id, 0)
  bytes.writeInt32BE(length, 4)
  return bytes
}

export function writeRefusal(id: number, { code }: Failure): Buffer {
  const place = (codes as readonly Code[]).indexOf(code)
  return writeAnswer(id, { length: -1 - Math.max(place, 0) })
}

export function readAnswer(bytes: Buffer): { readonly id: number; readonly length: number; readonly refused?: Code | undefined } {
  const id = bytes.readUInt32BE(0)
  const length = bytes.readInt32BE(4)
  return length >= 0 ? { id, length } : { id, length: 0, refused: codes[-1 - length] ?? 'internal' }
}
