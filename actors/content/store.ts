import { unlink } from 'node:fs/promises'
import type { Info } from '../../messages/content.ts'
import { Failure } from '../../messages/grammar/index.ts'
import type { Digest, Labels } from '../../messages/words/index.ts'
import type { Blobs } from '../../runtime/blobs.ts'
import { errnoOf, fromErrno } from '../../runtime/errno.ts'
import type { Outbox } from '../../runtime/records/outbox.ts'
import type { Tables } from '../../runtime/tables.ts'

export interface StoreComponents {
  readonly tables: Tables
  readonly outbox: Pick<Outbox, 'put'>
  readonly blobs: Blobs
  readonly now: () => string
}

/** Records of blobs. What has one is content; files follow. */
export interface Store {
  /** Fails with not_found. */
  info(digest: Digest): Info
  /** The first `limit` after a digest, and whether there are more. */
  list(after: Digest | undefined, limit: number): { blobs: Info[]; more: boolean }
  /** Set labels, take away those set to nothing. Fails with not_found. */
  label(digest: Digest, labels: Labels): Promise<Info>
  /** Fails with not_found. The record goes first: a crash in between leaves a file that counts for nothing. */
  remove(digest: Digest, options: { signal: AbortSignal; trace?: string | undefined }): Promise<void>
}

export function openStore({ tables, outbox, blobs, now }: StoreComponents): Store {
  const contents = tables.table<Info>('content')
  const info = (digest: Digest): Info => {
    const found = contents.get(digest)
    if (!found) throw new Failure('not_found', `find blob ${digest}: there is none`)
    return found
  }
  return {
    info,
    list(after, limit) {
      const found = Array.from(contents.range({ after, limit: limit + 1 }), ({ value }) => value)
      return { blobs: found.slice(0, limit), more: found.length > limit }
    },
    label: (digest, labels) =>
      tables.transaction(() => {
        const before = info(digest)
        const merged = { ...before.labels, ...labels }
        const kept = Object.fromEntries(Object.entries(merged).filter(([, value]) => value !== ''))
        const after = { ...before, labels: kept, updatedAt: now() }
        contents.put(digest, after)
        return after
      }),
    remove: (digest, { signal, trace }) =>
      blobs.alone(
        digest,
        async () => {
          signal.throwIfAborted()
          await tables.transaction(() => {
            if (!contents.remove(digest)) throw new Failure('not_found', `remove blob ${digest}: there is none`)
            outbox.put({ actor: 'content', fact: 'removed', entity: digest, data: { digest }, trace })
          })
          await unlink(blobs.blob(digest)).catch((error: unknown) => {
            if (errnoOf(error) !== 'ENOENT') throw fromErrno(error, `remove the file of blob ${digest}`)
          })
        },
        { signal },
      ),
  }
}
