import { z } from 'zod'

/** A whole number of bytes. */
export const Size = z.int().min(0).meta({ description: 'bytes' })

/** When something happened: RFC 3339, UTC. */
export const Time = z.iso.datetime().meta({ description: 'RFC 3339, UTC' })

const bytesOf = (key: string, value: string): number => Buffer.byteLength(key) + Buffer.byteLength(value)

/** Words about a thing; a key and its value together at most 4096 bytes (facts C7), and not more of them than a message has room for. */
export const Labels = z
  .record(z.string().min(1), z.string())
  .refine(
    (labels) => Object.entries(labels).every(([key, value]) => bytesOf(key, value) <= 4096),
    'a label and its value are at most 4096 bytes',
  )
  .refine((labels) => {
    const sizes = Object.entries(labels).map(([key, value]) => bytesOf(key, value))
    return sizes.length <= 256 && sizes.reduce((sum, size) => sum + size, 0) <= 65_536
  }, 'there are at most 256 labels, of 65536 bytes together')
  .meta({ id: 'Labels' })
export type Labels = z.output<typeof Labels>

/**
 * What a list is narrowed to: an entry passes when it passes any of these. Each is conditions joined by commas, all to be met: `field==value`, `!=`,
 * `~=` and `!~` for a regular expression, `<`, `<=`, `>`, `>=` for numbers and times, or a field alone when it must be there; a value with a comma or quotes in it is
 * quoted as in JSON; `labels."a.b"` names a label with dots.
 */
export const Filters = z
  .array(z.string().min(1).max(1024))
  .max(32)
  .meta({ id: 'Filters', description: 'any of these; in one, all of its comma-joined conditions' })
export type Filters = z.output<typeof Filters>

/** A name of ours that becomes a path component: letters and digits joined by `.`, `_` or `-`, at most 76. */
export const Id = z
  .string()
  .max(76)
  .regex(/^[A-Za-z0-9]+([._-][A-Za-z0-9]+)*$/)
  .meta({ id: 'Id' })

/** Bytes: raw in msgpack, base64 in JSON. */
export const Bytes = z
  .preprocess((value) => (typeof value === 'string' ? new Uint8Array(Buffer.from(value, 'base64')) : value), z.instanceof(Uint8Array))
  .meta({ id: 'Bytes', description: 'bytes; base64 in JSON' })

/** A request or reply with nothing in it. */
export const Nothing = z.object({})

/** A lease: holds what is made under it until it ends. */
export const Lease = Id.meta({ id: 'Lease', description: 'of a lease, made before by lease.create' })
export type Lease = z.output<typeof Lease>

/** For the collector: what came to be held since it was found unneeded is refused with failed_precondition. */
export const Unheld = z
  .literal(true)
  .optional()
  .meta({ description: 'only if the collector found it unneeded and nothing has come to hold it since' })
