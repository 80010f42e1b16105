import type { Info } from '../../messages/content.ts'
import type { Table, Tables } from '../../runtime/tables.ts'

/** One file of a blob, told apart from a later one of the same digest, which another sync has to cover. */
export const owedName = ({ digest, createdAt }: Info): string => `${digest} ${createdAt}`

/**
 * Write down, in one transaction, that blobs are on disk; those removed meanwhile are passed over, and those that came again.
 *
 * What is owed is in its place, with its record, before the sync begins; the sync is one of the whole file system, which covers the file, its name and the
 * directories above; only then this is written. So `durable` is never said too early: should the machine stop in between, it is not said at all, and the blob is hashed again.
 */
export const recordDurable =
  ({ tables, contents }: { tables: Tables; contents: Table<Info> }) =>
  (names: readonly string[]): Promise<void> =>
    tables.transaction(() => {
      for (const name of names) {
        const info = contents.get(name.slice(0, name.indexOf(' ')))
        if (info && owedName(info) === name) contents.put(info.digest, { ...info, durable: true })
      }
    })
