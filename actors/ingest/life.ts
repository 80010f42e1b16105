import { chmod, mkdir, open, rm } from 'node:fs/promises'
import type { IngestContext, ingestMachine } from '../../machines/ingest.ts'
import type { Info } from '../../messages/content.ts'
import { Failure } from '../../messages/grammar/index.ts'
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
  /** a blob is in its place */
  readonly created: (digest: Digest) => void
  readonly now: () => string
}

/** What the machine of an ingest names, done. Every effect can be done again after a crash. */
export function life(components: LifeComponents) {
  const { blobs, contents, outbox, changes, slices, now } = components
  const reference = ({ context }: Ingest) => context.reference

  const lend: Effect<Machine> = async (ingest, { restart }) => {
    const { directory, data } = blobs.ingest(reference(ingest))
    try {
      await mkdir(directory, { recursive: true, mode: 0o700 })
      // A new file, not an emptied one: whoever still has the old one open keeps what it had.
      if (restart) await rm(data, { force: true })
      await using file = await open(data, restart ? 'wx' : 'a', 0o600)
      await file.chmod(0o600)
    } catch (error) {
      throw fromErrno(error, `open ingest ${reference(ingest)}`)
    }
    changes.tell(reference(ingest), restart ? { state: 'aborted', why: 'it was started over' } : undefined)
    return undefined
  }

  const verified: Effect<Machine> = async (ingest, _, { signal }) => {
    changes.tell(reference(ingest))
    const { data } = blobs.ingest(reference(ingest))
    const { claim, expected, total } = ingest.context
    const digest = claim?.digest ?? expected
    if (digest === undefined) throw new Failure('failed_precondition', `commit ingest ${reference(ingest)}: no digest is known`)
    const open = components.writerOf(ingest)
    // After a crash it may be read-only already, where only root could open it to write.
    if (!open)
      await chmod(data, 0o600).catch((error: unknown) => {
        throw fromErrno(error, `commit ingest ${reference(ingest)}`)
      })
    await using reopened = open ? undefined : await openWriter({ slices }, { path: data, reference: reference(ingest), expected: digest })
    const size = await verify(
      open ?? (reopened as Writer),
      { reference: reference(ingest), digests: distinct(digest, expected), sizes: distinct(claim?.size, total) },
      { signal },
    )
    const known = contents.get(digest)
    if (known) return { type: 'existed', digest, size: known.size, at: now() }
    signal.throwIfAborted()
    await place(data, blobs.blob(digest))
    return { type: 'verified', digest, size, at: now() }
  }

  const discard: Effect<Machine> = async (ingest) => {
    const { found, why = '' } = ingest.context
    await rm(blobs.ingest(reference(ingest)).directory, { recursive: true, force: true }).catch((error: unknown) => {
      throw fromErrno(error, `discard ingest ${reference(ingest)}`)
    })
    if (found) components.created(found.digest)
    changes.tell(reference(ingest), found ? { state: 'committed', ...found } : { state: 'aborted', why })
    return undefined
  }

  /** In the transaction that says it is committed, its blob becomes content. */
  function also(_: unknown, ingest: Ingest): void {
    if (ingest.value !== 'committed' || !ingest.context.found) return
    createContent({ contents, outbox }, { ...ingest.context.found, labels: ingest.context.claim?.labels, at: ingest.context.updatedAt })
  }

  return { effects: { lend, verify: verified, discard }, announcements, also }
}

/** Inside a transaction: write the record of a new blob and say so. Fails with already_exists. */
export function createContent(
  components: { contents: Table<Info>; outbox: Pick<Outbox, 'put'> },
  blob: { digest: Digest; size: number; labels?: Info['labels'] | undefined; at: string },
): Info {
  const { digest, size, labels = {}, at } = blob
  if (components.contents.get(digest)) throw alreadyContent(digest)
  const info: Info = { digest, size, createdAt: at, updatedAt: at, labels, durable: false }
  components.contents.put(digest, info)
  components.outbox.put({ actor: 'content', fact: 'created', entity: digest, data: { digest, size } })
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
