import { stat } from 'node:fs/promises'
import type { ingestMachine } from '../../machines/ingest.ts'
import type { Info } from '../../messages/content.ts'
import { Failure, type Log } from '../../messages/grammar/index.ts'
import { type Digest, digestParts } from '../../messages/words/index.ts'
import { type Blobs, clearPlace } from '../../runtime/blobs.ts'
import { fromErrno } from '../../runtime/errno.ts'
import { hashFile } from '../../runtime/hash.ts'
import type { Keeping } from '../../runtime/keeping/keeping.ts'
import type { Outbox } from '../../runtime/records/outbox.ts'
import type { Records } from '../../runtime/records/records.ts'
import type { Tables } from '../../runtime/tables.ts'
import { contentThing } from './contents.ts'

export interface DoubtComponents {
  readonly tables: Tables
  readonly outbox: Pick<Outbox, 'put'>
  readonly blobs: Blobs
  readonly keeping: Keeping
  readonly records: Pick<Records<typeof ingestMachine>, 'list' | 'send'>
  readonly log: Log
  /** names the run of the kernel */
  readonly boot: string
}

/**
 * When the machine was started anew since this last ran, blobs that were not known to be on disk may be there in name only: hash them, and let go of what is
 * not whole, to be fetched again. Of the others it is only looked whether their files are there: one may have been removed, and the record of that lost. So may the bytes of ingests; of those that do not say what they are to become nobody could tell. Within one boot they are trusted: what a killed process wrote the kernel still has.
 */
export async function doubt(components: DoubtComponents, blobs: Iterable<Info>, options: { signal: AbortSignal }): Promise<void> {
  const { tables, boot, log } = components
  const boots = tables.table<{ boot: string }>('ingest-boot')
  if (boots.get('last')?.boot === boot) return
  for (const blob of blobs) {
    const { digest } = blob
    try {
      if (blob.durable) await lookFor(components, blob)
      else await check(components, digest, options)
    } catch (error) {
      if (options.signal.aborted) throw error
      log.warn({ error, digest }, 'let go of a blob that did not survive')
      await letGo(components, digest)
    }
  }
  await forgetUnsaid(components)
  await tables.transaction(() => boots.put('last', { boot }))
}

async function forgetUnsaid({ records, log }: DoubtComponents): Promise<void> {
  const why = 'the machine was started anew, and nothing says what its bytes should be'
  for (const { id, value, context } of records.list()) {
    if (value !== 'closed' || context.expected !== undefined) continue
    await records
      .send(id, { type: 'abort', why })
      .catch((error: unknown) => log.warn({ error, reference: context.reference }, 'forget an ingest'))
  }
}

async function check({ blobs }: DoubtComponents, digest: Digest, options: { signal: AbortSignal }): Promise<void> {
  const { algorithm, hex } = digestParts(digest)
  const attempted = `hash blob ${digest} again`
  const found = await hashFile(blobs.blob(digest), { algorithm, attempted }, options)
  if (found.hex !== hex) throw new Failure('data_loss', `${attempted}: it is something else now`)
}

async function lookFor({ blobs }: DoubtComponents, { digest, size }: Info): Promise<void> {
  const attempted = `look for blob ${digest}`
  const file = await stat(blobs.blob(digest)).catch((error: unknown) => {
    throw fromErrno(error, attempted)
  })
  if (file.size !== size) throw new Failure('data_loss', `${attempted}: it has ${file.size} bytes, ${size} were there`)
}

async function letGo({ tables, outbox, blobs, keeping }: DoubtComponents, digest: Digest): Promise<void> {
  const contents = tables.table<Info>('content')
  await tables.transaction(() => {
    if (!contents.remove(digest)) return
    keeping.gone(contentThing(digest))
    outbox.put({ actor: 'content', fact: 'removed', entity: digest, data: { digest } })
  })
  await clearPlace({ tables, blobs }, digest)
}
