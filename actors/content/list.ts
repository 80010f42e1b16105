import { setImmediate } from 'node:timers/promises'
import type { Info } from '../../messages/content.ts'
import type { Digest } from '../../messages/words/index.ts'
import { parseFilters } from '../../runtime/filter.ts'
import type { Table } from '../../runtime/tables.ts'

/** Blobs after a digest that pass a filter, in the order of their digests. */
export interface ListInit {
  readonly after?: Digest | undefined
  readonly filters?: readonly string[] | undefined
}

/** What one page may cost: blobs in it, bytes it takes in a message, and records looked at once it has any. */
export const page = { blobs: 1000, bytes: 512 * 1024, looks: 16 * 1024 }
/** Records looked at before others have their turn. */
const slice = 512

/**
 * One page, and whether there may be more. Only the last page may be empty, so whoever wants the next asks after the last blob of this one. Fails with
 * invalid_argument for a filter that is none.
 */
export async function listBlobs(
  contents: Table<Info>,
  { after, filters = [] }: ListInit,
  { signal, limits = page }: { signal: AbortSignal; limits?: typeof page },
): Promise<{ blobs: Info[]; more: boolean }> {
  const passes = parseFilters(filters)
  const blobs: Info[] = []
  let bytes = 0
  let looks = 0
  for (let from = after; ; await setImmediate()) {
    signal.throwIfAborted()
    const begun = looks
    for (const { key, value } of contents.range({ after: from, limit: slice })) {
      if (blobs.length > 0 && (blobs.length >= limits.blobs || bytes >= limits.bytes || looks >= limits.looks)) return { blobs, more: true }
      looks++
      from = key
      if (!passes(value)) continue
      blobs.push(value)
      bytes += bytesOf(value)
    }
    if (looks - begun < slice) return { blobs, more: false }
  }
}

/** In a message, about. */
const bytesOf = ({ digest, labels }: Info): number =>
  200 + digest.length + Object.entries(labels).reduce((sum, [key, value]) => sum + 8 + Buffer.byteLength(key) + Buffer.byteLength(value), 0)
