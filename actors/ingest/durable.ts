import type { Info } from '../../messages/content.ts'
import type { Digest } from '../../messages/words/index.ts'
import type { Table, Tables } from '../../runtime/tables.ts'

/** Write down, in one transaction, that blobs are on disk; those removed meanwhile are passed over. */
export const recordDurable =
  ({ tables, contents }: { tables: Tables; contents: Table<Info> }) =>
  (digests: readonly Digest[]): Promise<void> =>
    tables.transaction(() => {
      for (const digest of digests) {
        const info = contents.get(digest)
        if (info) contents.put(digest, { ...info, durable: true })
      }
    })
