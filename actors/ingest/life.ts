import { rm } from 'node:fs/promises'
import type { Claim, IngestContext, ingestMachine } from '../../machines/ingest.ts'
import { Failure } from '../../messages/grammar/index.ts'
import type { Digest } from '../../messages/words/index.ts'
import type { Blobs } from '../../runtime/blobs.ts'
import { fromErrno } from '../../runtime/errno.ts'
import type { Keeping } from '../../runtime/keeping/keeping.ts'
import { hasEnded, openLeases } from '../../runtime/keeping/leases.ts'
import type { Announcement, Effect, Stored } from '../../runtime/records/records.ts'
import type { Tables } from '../../runtime/tables.ts'
import type { Changes } from './changes.ts'
import { type Contents, contentThing } from './contents.ts'
import type { Elsewhere } from './elsewhere.ts'
import type { Endings } from './endings.ts'
import type { Slices } from './slices.ts'
import { verify, type Wanted } from './verify.ts'
import { openWriter, type Writer } from './writer.ts'

type Machine = typeof ingestMachine
export type Ingest = Stored<Machine>

export interface LifeComponents {
  readonly tables: Tables
  readonly blobs: Blobs
  readonly contents: Contents
  readonly keeping: Keeping
  readonly endings: Endings
  readonly changes: Changes
  readonly elsewhere: Elsewhere
  readonly slices: Slices
  /** the writer of an ingest open in this process */
  readonly writerOf: (ingest: Ingest) => Writer | undefined
  readonly now: () => string
}

/** What the machine of an ingest names, done. Every effect can be done again after a crash. */
export function life(components: LifeComponents) {
  const { tables, blobs, contents, slices, now } = components
  const reference = ({ context }: Ingest) => context.reference

  const empty: Effect<Machine> = async (ingest) => {
    // The file goes, instead of being emptied: whoever still reads it keeps what it had.
    await rm(blobs.ingest(reference(ingest)).data, { force: true }).catch((error: unknown) => {
      throw fromErrno(error, `start ingest ${reference(ingest)} over`)
    })
    return undefined
  }

  const verified: Effect<Machine> = async (ingest, _, { signal }) => {
    const { claim, expected } = ingest.context
    const digest = claim?.digest ?? expected
    if (digest === undefined) throw new Failure('failed_precondition', `commit ingest ${reference(ingest)}: no digest is known`)
    const open = components.writerOf(ingest)
    await using reopened = open ? undefined : await reopen(ingest, digest)
    const size = await verify(open ?? (reopened as Writer), wantedOf(ingest, { ...claim, digest }), { signal })
    const existed = claim?.replace !== true && contents.get(digest) !== undefined
    return { type: existed ? 'existed' : 'verified', digest, size, at: now() }
  }

  /** After a crash: its file may have come into its place, in a transaction that was not committed. */
  async function reopen(ingest: Ingest, digest: Digest): Promise<Writer> {
    const { data } = blobs.ingest(reference(ingest))
    await tables.transaction(() => contents.get(digest) || blobs.takeBack(digest, data))
    return await openWriter({ slices }, { reference: reference(ingest), expected: digest, readOnly: true, path: data })
  }

  const discard: Effect<Machine> = async (ingest) => {
    await rm(blobs.ingest(reference(ingest)).directory, { recursive: true, force: true }).catch((error: unknown) => {
      throw fromErrno(error, `discard ingest ${reference(ingest)}`)
    })
    return undefined
  }

  return { effects: { empty, verify: verified, discard }, announcements, also: keepingInStep(components) }
}

/** What else changes in the transactions of an ingest: what holds it; at its end the blob it becomes, and how it ended. */
function keepingInStep({ tables, blobs, contents, keeping, endings, changes, elsewhere, now }: LifeComponents) {
  const leases = openLeases(tables, { now })
  /** The lease while it lasts: what outlives its lease is kept as if it had had none. */
  const lasting = (id: string | undefined): string | undefined => {
    const found = id === undefined ? undefined : leases.find(id)
    return found && !hasEnded(found, now()) ? id : undefined
  }

  function end({ value, context }: Ingest): void {
    const { reference, epoch, lease, found, claim, why, updatedAt } = context
    keeping.gone(ingestThing(reference))
    endings.put({ reference, epoch, ...(found && { found }), ...(why !== undefined && { why }) })
    if (!found) return
    if (value === 'aborted') {
      contents.hold(found.digest, lasting(lease))
      return
    }
    const blob = { ...found, labels: claim?.labels, lease: lasting(lease), at: updatedAt }
    if (!claim?.replace || !contents.renew(blob)) contents.create(blob)
    blobs.place(blobs.ingest(reference).data, found.digest)
  }

  return (_: unknown, ingest: Ingest): void => {
    const { id, value, context } = ingest
    const { reference, expected, lease } = context
    const over = value === 'committed' || value === 'aborted'
    tables.afterCommit(() => changes.tell(id, { over }))
    if (over) {
      end(ingest)
      return
    }
    const refs = expected === undefined ? [] : [contentThing(expected)]
    if (value === 'opened') keeping.keep(ingestThing(reference), { root: true, refs, lease: lasting(lease) })
    if (value !== 'closed') return
    keeping.keep(ingestThing(reference), { root: false, refs, lease: lasting(lease) })
    tables.afterCommit(() => elsewhere.touch(blobs.ingest(reference).directory))
  }
}

/** What the file of an ingest must turn out to be for a claim to hold. */
export const wantedOf = ({ context: { reference, expected, total } }: Ingest, { digest, size }: Claim): Wanted => ({
  reference,
  digests: distinct(digest, expected),
  sizes: distinct(size, total),
})

export const ingestThing = (reference: string) => ({ kind: 'ingest', key: reference })

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
