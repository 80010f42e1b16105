import { readdir, rm, unlink } from 'node:fs/promises'
import { join } from 'node:path'
import type { ingestMachine } from '../../machines/ingest.ts'
import type { Info } from '../../messages/content.ts'
import type { Log } from '../../messages/grammar/index.ts'
import type { Digest } from '../../messages/words/index.ts'
import { isAlive, type Living } from '../../runtime/alive.ts'
import type { Blobs } from '../../runtime/blobs.ts'
import { fromErrno } from '../../runtime/errno.ts'
import type { Records } from '../../runtime/records/records.ts'
import type { Table } from '../../runtime/tables.ts'
import { putterOf } from './small.ts'
import type { Transactions } from './transactions.ts'

export interface RecoverComponents {
  readonly blobs: Blobs
  readonly records: Records<typeof ingestMachine>
  readonly contents: Table<Info>
  readonly transactions: Pick<Transactions, 'freed'>
  readonly doubt: (blobs: Iterable<Info>) => Promise<void>
  readonly me: Living
  readonly log: Log
}

/**
 * Before serving: hash again what may not have survived the last boot, carry out what the last run left undone, free what its death left held, and take away files nothing speaks of. Answers the blobs that
 * are not known to be on disk.
 */
export async function recover(components: RecoverComponents): Promise<Digest[]> {
  const { records, contents, transactions, log } = components
  await records.resume()
  for (const ingest of records.list()) {
    await transactions.freed(ingest).catch((error: unknown) => log.warn({ error, reference: ingest.context.reference }, 'free an ingest'))
  }
  await sweep(components)
  const owed = () => Array.from(contents.range(), ({ value }) => value).filter(({ durable }) => !durable)
  await components.doubt(owed())
  return owed().map(({ digest }) => digest)
}

/** Directories of ingests without a record, temporary files of the dead. A record is always there before its directory. */
async function sweep({ blobs, records, me, log }: RecoverComponents): Promise<void> {
  for (const name of await readdir(blobs.ingests)) {
    const putter = putterOf(name)
    try {
      if (putter && !(await isAlive({ ...putter, boot: me.boot }))) await unlink(join(blobs.ingests, name))
      if (/^[0-9a-f]{64}$/.test(name) && !records.get(name)) await rm(join(blobs.ingests, name), { recursive: true, force: true })
    } catch (error) {
      log.warn({ error: fromErrno(error, `sweep ${name}`) }, 'sweep ingests')
    }
  }
}
