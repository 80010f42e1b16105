import type { Info } from '../../messages/content.ts'
import { Failure } from '../../messages/grammar/index.ts'
import type { Digest, Labels } from '../../messages/words/index.ts'
import { type Blobs, clearPlace } from '../../runtime/blobs.ts'
import type { Keeping } from '../../runtime/keeping/keeping.ts'
import { mergedLabels } from '../../runtime/labels.ts'
import type { Outbox } from '../../runtime/records/outbox.ts'
import type { Tables } from '../../runtime/tables.ts'

export interface StoreComponents {
  readonly tables: Tables
  readonly outbox: Pick<Outbox, 'put'>
  readonly blobs: Blobs
  readonly keeping: Keeping
  readonly now: () => string
}

/** Records of blobs. What has one is content; files follow. */
export interface Store {
  /** Fails with not_found. */
  info(digest: Digest): Info
  /** Set labels, take away those set to nothing. Fails with not_found, and with invalid_argument when they are too many. */
  label(digest: Digest, labels: Labels): Promise<Info>
  /** The same for several, in one transaction; those that are not there are passed over. Fails with invalid_argument, for any of them. */
  relabel(blobs: readonly { digest: Digest; labels: Labels }[]): Promise<void>
  /**
   * Fails with not_found; with failed_precondition when it was to be `unheld` and is needed after all. The record goes first: a crash in between leaves a
   * file that counts for nothing.
   */
  remove(digest: Digest, options: { unheld?: boolean | undefined; signal: AbortSignal; trace?: string | undefined }): Promise<void>
}

export function openStore({ tables, outbox, blobs, keeping, now }: StoreComponents): Store {
  const contents = tables.table<Info>('content')
  const info = (digest: Digest): Info => {
    const found = contents.get(digest)
    if (!found) throw new Failure('not_found', `find blob ${digest}: there is none`)
    return found
  }
  /** Inside a transaction. */
  const label = (digest: Digest, labels: Labels): Info => {
    const before = info(digest)
    const after = { ...before, labels: mergedLabels(before.labels, labels, `label blob ${digest}`), updatedAt: now() }
    contents.put(digest, after)
    keeping.describe({ kind: 'content', key: digest }, { labels: after.labels })
    return after
  }
  return {
    info,
    label: (digest, labels) => tables.transaction(() => label(digest, labels)),
    relabel: (blobs) =>
      tables.transaction(() => {
        for (const { digest, labels } of blobs) if (contents.get(digest)) label(digest, labels)
      }),
    async remove(digest, { unheld, signal, trace }) {
      signal.throwIfAborted()
      const thing = { kind: 'content', key: digest }
      await tables.transaction(() => {
        if (!contents.get(digest)) throw new Failure('not_found', `remove blob ${digest}: there is none`)
        if (unheld) keeping.demandUnheld(thing)
        contents.remove(digest)
        keeping.gone(thing)
        outbox.put({ actor: 'content', fact: 'removed', entity: digest, data: { digest }, trace })
      })
      await clearPlace({ tables, blobs }, digest)
    },
  }
}
