/** The content store as it is meant, without disk, bus or clock: what every request must come to. */
import { digestOf } from '../support/content.ts'

/** What may be brought: a few blobs, so that requests meet. */
export const blobs: readonly { digest: string; bytes: Buffer }[] = [
  { length: 0, algorithm: 'sha256' },
  { length: 7, algorithm: 'sha256' },
  { length: 300, algorithm: 'sha512' },
  { length: 20_000, algorithm: 'sha256' },
].map(({ length, algorithm }, seed) => {
  const bytes = Buffer.from(Uint8Array.from({ length }, (_, i) => (i * 7 + seed * 31 + (i >> 8)) & 0xff))
  return { digest: digestOf(bytes, algorithm), bytes }
})

export interface Ingest {
  bytes: Buffer
  expected?: string | undefined
  total?: number | undefined
  open: boolean
}

/** What a request came to: its answer as far as the model knows it, or the code it was refused with. */
export type Outcome = { readonly ok: unknown } | { readonly code: string; readonly reason?: string }

const ok = (value: unknown = {}): Outcome => ({ ok: value })
const no = (code: string, reason?: string): Outcome => (reason === undefined ? { code } : { code, reason })

export interface Model {
  readonly content: Map<string, { bytes: Buffer; labels: Record<string, string> }>
  readonly ingests: Map<string, Ingest>
}

export const newModel = (): Model => ({ content: new Map(), ingests: new Map() })

export function open({ content, ingests }: Model, reference: string, { expected, total }: Pick<Ingest, 'expected' | 'total'>): Outcome {
  if (expected !== undefined && content.has(expected)) return no('already_exists')
  const there = ingests.get(reference)
  if (!there) {
    ingests.set(reference, { bytes: Buffer.alloc(0), expected, total, open: true })
    return ok({ offset: 0 })
  }
  if (there.open) return no('unavailable')
  const other = differ(expected, there.expected) || differ(total, there.total) || there.bytes.length > (total ?? there.total ?? Infinity)
  const next = other
    ? { bytes: Buffer.alloc(0), expected, total, open: true }
    : { bytes: there.bytes, expected: expected ?? there.expected, total: total ?? there.total, open: true }
  ingests.set(reference, next)
  return ok({ offset: next.bytes.length })
}

export function write({ ingests }: Model, reference: string, offset: number, bytes: Buffer): Outcome {
  const held = ingests.get(reference)
  if (!held?.open) return no('not_found')
  if (offset !== held.bytes.length) return no('out_of_range')
  if (held.total !== undefined && offset + bytes.length > held.total) return no('out_of_range')
  held.bytes = Buffer.concat([held.bytes, bytes])
  return ok({ offset: held.bytes.length })
}

/** The file was written from where it stood. */
export function advance({ ingests }: Model, reference: string, bytes: Buffer): Outcome {
  const held = ingests.get(reference)
  if (!held?.open) return no('not_found')
  held.bytes = Buffer.concat([held.bytes, bytes])
  return ok()
}

export function truncate({ ingests }: Model, reference: string, offset: number): Outcome {
  const held = ingests.get(reference)
  if (!held?.open) return no('not_found')
  if (offset > held.bytes.length) return no('out_of_range')
  held.bytes = held.bytes.subarray(0, offset)
  return ok({ offset })
}

export function close({ ingests }: Model, reference: string): Outcome {
  const held = ingests.get(reference)
  if (!held?.open) return no('not_found')
  held.open = false
  return ok()
}

/** Size before digest before whether it is content already; the right to write is given back whatever it comes to. */
export function commit({ content, ingests }: Model, reference: string, claim: { digest?: string; size?: number }): Outcome {
  const held = ingests.get(reference)
  if (!held?.open) return no('not_found')
  held.open = false
  const { bytes, expected, total } = held
  for (const size of [claim.size, total]) if (size !== undefined && size !== bytes.length) return no('failed_precondition', 'size')
  for (const digest of [claim.digest, expected]) {
    if (digest !== undefined && digest !== digestLike(digest, bytes)) return no('failed_precondition', 'digest')
  }
  const digest = claim.digest ?? expected ?? digestOf(bytes)
  ingests.delete(reference)
  if (content.has(digest)) return no('already_exists')
  content.set(digest, { bytes, labels: {} })
  return ok({ digest, size: bytes.length })
}

export function abort({ ingests }: Model, reference: string, rightful: boolean): Outcome {
  const there = ingests.get(reference)
  if (!there) return no('not_found')
  if (there.open && !rightful) return no('failed_precondition')
  ingests.delete(reference)
  return ok()
}

/** What an unfinished ingest of that name had is of no use any more, unless somebody is at it. */
export function put({ content, ingests }: Model, digest: string, bytes: Buffer, reference: string): Outcome {
  if (content.has(digest)) return no('already_exists')
  if (digestLike(digest, bytes) !== digest) return no('data_loss')
  content.set(digest, { bytes, labels: {} })
  if (!ingests.get(reference)?.open) ingests.delete(reference)
  return ok({ digest, size: bytes.length })
}

export function label({ content }: Model, digest: string, labels: Record<string, string>): Outcome {
  const blob = content.get(digest)
  if (!blob) return no('not_found')
  blob.labels = Object.fromEntries(Object.entries({ ...blob.labels, ...labels }).filter(([, value]) => value !== ''))
  return ok({ labels: blob.labels })
}

export function remove({ content }: Model, digest: string): Outcome {
  return content.delete(digest) ? ok() : no('not_found')
}

export function read({ content }: Model, digest: string, offset: number, length: number): Outcome {
  const blob = content.get(digest)
  if (!blob) return no('not_found')
  if (offset > blob.bytes.length) return no('out_of_range')
  return ok({ size: blob.bytes.length, hex: blob.bytes.subarray(offset, offset + length).toString('hex') })
}

/** Nobody holds anything after a restart. */
export function restart({ ingests }: Model): void {
  for (const ingest of ingests.values()) ingest.open = false
}

const differ = <T>(one: T | undefined, other: T | undefined): boolean => one !== undefined && other !== undefined && one !== other

const digestLike = (digest: string, bytes: Buffer): string => digestOf(bytes, digest.slice(0, digest.indexOf(':')))
