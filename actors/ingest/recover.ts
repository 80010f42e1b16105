import { renameSync } from 'node:fs'
import { readdir, rm, unlink } from 'node:fs/promises'
import { join } from 'node:path'
import type { ingestMachine } from '../../machines/ingest.ts'
import type { Info } from '../../messages/content.ts'
import type { Log } from '../../messages/grammar/index.ts'
import type { Digest } from '../../messages/words/index.ts'
import { isAlive, type Living } from '../../runtime/alive.ts'
import { type Blobs, clearPlace } from '../../runtime/blobs.ts'
import { fromErrno } from '../../runtime/errno.ts'
import type { Records } from '../../runtime/records/records.ts'
import type { Table, Tables } from '../../runtime/tables.ts'
import { owedName } from './durable.ts'
import type { Holding } from './holding.ts'
import { putterOf } from './small.ts'

export interface RecoverComponents {
  readonly tables: Tables
  readonly blobs: Blobs
  readonly records: Records<typeof ingestMachine>
  readonly contents: Table<Info>
  readonly holding: Pick<Holding, 'freed'>
  readonly doubt: (blobs: Iterable<Info>) => Promise<void>
  readonly me: Living
  readonly log: Log
}

/**
 * Before serving: hash again what may not have survived the last boot, carry out what the last run left undone, free what its death left held, and take away files nothing speaks of. Answers what a sync has
 * yet to cover.
 */
export async function recover(components: RecoverComponents): Promise<string[]> {
  const { records, contents, holding, log } = components
  await records.resume()
  for (const ingest of records.list()) {
    await holding.freed(ingest).catch((error: unknown) => log.warn({ error, reference: ingest.context.reference }, 'free an ingest'))
  }
  await sweep(components)
  const infos = () => Iterator.from(contents.range()).map(({ value }) => value)
  await components.doubt(infos())
  return [
    ...infos()
      .filter(({ durable }) => !durable)
      .map(owedName),
  ]
}

/**
 * What a crash left and nothing speaks of: directories of ingests, temporary files of the dead, files taken out of their places, files in places of blobs. Others may be at
 * work on the same root: whether something speaks of a file is asked in the transaction that takes it away.
 */
async function sweep(components: RecoverComponents): Promise<void> {
  const { blobs, log } = components
  const attempt = (path: string, work: () => Promise<unknown>) =>
    work().catch((error: unknown) => log.warn({ error: fromErrno(error, `sweep ${path}`) }, 'sweep content'))
  for (const name of await readdir(blobs.ingests)) await attempt(name, () => sweepIngest(components, name))
  for await (const digest of blobs.lying()) {
    if (!components.contents.get(digest))
      await attempt(digest, () => clearPlace(components, digest, { spared: () => isVerified(components, digest) }))
  }
}

async function sweepIngest({ tables, blobs, records, me }: RecoverComponents, name: string): Promise<void> {
  const path = join(blobs.ingests, name)
  const putter = putterOf(name)
  if (putter && !(await isAlive({ ...putter, boot: me.boot }))) return await unlink(path)
  if (name.endsWith('.gone')) return await rm(path, { recursive: true, force: true })
  if (!/^[0-9a-f]{64}$/.test(name) || records.get(name)) return
  const gone = `${path}.gone`
  await tables.transaction(() => records.get(name) || renameSync(path, gone))
  await rm(gone, { recursive: true, force: true })
}

/** Whether an ingest says that it is in the middle of becoming this blob: then its file may lie there before its record. */
const isVerified = ({ records }: RecoverComponents, digest: Digest): boolean =>
  records.list().some(({ value, context }) => value === 'verifying' && context.claim?.digest === digest)
