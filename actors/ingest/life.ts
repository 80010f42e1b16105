import { rm } from 'node:fs/promises'
import type { IngestContext, ingestMachine } from '../../machines/ingest.ts'
import type { Info } from '../../messages/content.ts'
import { Failure, isFailure } from '../../messages/grammar/index.ts'
import type { Digest } from '../../messages/words/index.ts'
import type { Blobs } from '../../runtime/blobs.ts'
import { fromErrno } from '../../runtime/errno.ts'
import type { Outbox } from '../../runtime/records/outbox.ts'
import type { Announcement, Effect, Stored } from '../../runtime/records/records.ts'
import type { Table } from '../../runtime/tables.ts'
import type { Changes } from './changes.ts'
import type { Slices } from './slices.ts'
import { place, verify } from './verify.ts'
import { openWriter, type Writer } from './writer.ts'

type Machine = typeof ingestMachine
export type Ingest = Stored<Machine>

export interface LifeComponents {
  readonly blobs: Blobs
  readonly contents: Table<Info>
  readonly outbox: Pick<Outbox, 'put'>
  readonly changes: Changes
  readonly slices: Slices
  /** the writer of an ingest open in this process */
  readonly writerOf: (ingest: Ingest) => Writer | undefined
  readonly now: () => string
}

/** What the machine of an ingest names, done. Every effect can be done again after a crash. */
export function life(components: LifeComponents) {
  const { blobs, contents, outbox, changes, slices, now } = components
  const reference = ({ context }: Ingest) => context.reference

  const empty: Effect<Machine> = async (ingest) => {
    // The file goes, instead of being emptied: whoever still reads it keeps what it had.
    await rm(blobs.ingest(reference(ingest)).data, { force: true }).catch((error: unknown) => {
      throw fromErrno(error, `start ingest ${reference(ingest)} over`)
    })
    changes.tell(reference(ingest), { state: 'aborted', why: 'it was started over' })
    return undefined
  }

  const verified: Effect<Machine> = async (ingest, _, { signal }) => {
    changes.tell(reference(ingest))
    const { claim, expected, total } = ingest.context
    const digest = claim?.digest ?? expected
    if (digest === undefined) throw new Failure('failed_precondition', `commit ingest ${reference(ingest)}: no digest is known`)
    const path = blobs.blob(digest)
    await using reopened = components.writerOf(ingest) ? undefined : await reopen(ingest, digest)
    const writer = components.writerOf(ingest) ?? (reopened as Writer)
    const wanted = { reference: reference(ingest), digests: distinct(digest, expected), sizes: distinct(claim?.size, total) }
    const size = await verify(writer, wanted, { signal })
    const known = contents.get(digest)
    if (known) return { type: 'existed', digest, size: known.size, at: now() }
    signal.throwIfAborted()
    if (writer.path !== path) await place(writer.path, path)
    return { type: 'verified', digest, size, at: now() }
  }

  /** After a crash: its file is where it was, or already in its place, there without a record. */
  async function reopen(ingest: Ingest, digest: Digest): Promise<Writer> {
    const init = { reference: reference(ingest), expected: digest, readOnly: true }
    const { data } = blobs.ingest(reference(ingest))
    return await openWriter({ slices }, { ...init, path: data }).catch((error: unknown) => {
      if (isFailure(error, 'not_found')) return openWriter({ slices }, { ...init, path: blobs.blob(digest) })
      throw error
    })
  }

  const discard: Effect<Machine> = async (ingest) => {
    const { found, why = '' } = ingest.context
    await rm(blobs.ingest(reference(ingest)).directory, { recursive: true, force: true }).catch((error: unknown) => {
      throw fromErrno(error, `discard ingest ${reference(ingest)}`)
    })
    changes.tell(reference(ingest), found ? { state: 'committed', ...found } : { state: 'aborted', why })
    return undefined
  }

  /** In the transaction that says it is committed, its blob becomes content. */
  function also(_: unknown, ingest: Ingest): void {
    if (ingest.value !== 'committed' || !ingest.context.found) return
    createContent({ contents, outbox }, { ...ingest.context.found, labels: ingest.context.claim?.labels, at: ingest.context.updatedAt })
  }

  return { effects: { empty, verify: verified, discard }, announcements, also }
}

/** Inside a transaction: write the record of a new blob and say so. Fails with already_exists. */
export function createContent(
  components: { contents: Table<Info>; outbox: Pick<Outbox, 'put'> },
  blob: { digest: Digest; size: number; labels?: Info['labels'] | undefined; at: string; trace?: string | undefined },
): Info {
  const { digest, size, labels = {}, at, trace } = blob
  if (components.contents.get(digest)) throw alreadyContent(digest)
  const info: Info = { digest, size, createdAt: at, updatedAt: at, labels, durable: false }
  components.contents.put(digest, info)
  components.outbox.put({ actor: 'content', fact: 'created', entity: digest, data: { digest, size }, trace })
  return info
}

export const alreadyContent = (digest: Digest) =>
  new Failure('already_exists', `ingest ${digest}: it is content already`, { details: { digest } })

type Tell = (context: IngestContext, params: Readonly<Record<string, unknown>>) => Readonly<Record<string, unknown>>
const announcing =
  (fact: string, data: Tell): Announcement<Machine> =>
  ({ context }, params) => ({ fact, entity: context.reference, data: { reference: context.reference, ...data(context, params) } })

const announcements = {
  tellOpened: announcing('opened', ({ total, expected }, { offset }) => ({
    offset,
    ...(total !== undefined && { total }),
    ...(expected !== undefined && { expected }),
  })),
  tellCommitted: announcing('committed', ({ found }) => ({ ...found })),
  tellAborted: announcing('aborted', ({ why = '' }) => ({ why })),
}

const distinct = <T>(...values: (T | undefined)[]): T[] => [...new Set(values)].filter((value) => value !== undefined)
