import { randomUUID } from 'node:crypto'
import type { Expectation, Grant, ingestMachine } from '../../machines/ingest.ts'
import { Failure, isFailure } from '../../messages/grammar/index.ts'
import type { Digest } from '../../messages/words/index.ts'
import { isAlive, type Living } from '../../runtime/alive.ts'
import type { Blobs } from '../../runtime/blobs.ts'
import type { Keeping } from '../../runtime/keeping/keeping.ts'
import type { Records } from '../../runtime/records/records.ts'
import { alreadyContent, type Contents } from './contents.ts'
import { type Ingest, ingestThing } from './life.ts'
import { offsetOf } from './status.ts'

/** What a request comes with. */
export interface Asked {
  readonly signal: AbortSignal
  readonly trace?: string | undefined
}

/** What an ingest is opened with. */
export interface Opening extends Expectation {
  readonly reference: string
  readonly lease?: string | undefined
}

export interface HoldingComponents {
  readonly node: string
  readonly me: Living
  readonly blobs: Blobs
  readonly records: Records<typeof ingestMachine>
  readonly contents: Contents
  readonly keeping: Keeping
  readonly now: () => string
}

/** Who has the right to write. */
export interface Holding {
  newGrant(token: string): Grant
  /** The record, held by a new grant: begun, or gone on with. Fails with unavailable, and the holder, while another has it. */
  hold(opening: Opening, grant: Grant, asked: Asked): Promise<Ingest>
  /** Take an ingest from a dead holder; how it is then, undefined when that was its end. */
  freed(ingest: Ingest): Promise<Ingest | undefined>
}

export function holding(components: HoldingComponents): Holding {
  const { blobs, records, contents, keeping, me, node, now } = components

  const newGrant = (token: string): Grant => ({ token, holder: { node, ...me, since: now() } })

  async function freed(ingest: Ingest): Promise<Ingest | undefined> {
    const { grant } = ingest.context
    if (!grant || (await isAlive(grant.holder))) return ingest
    const breaking = { type: 'break', token: grant.token, grant: newGrant(randomUUID()), at: now() } as const
    await records.send(ingest.id, breaking).catch((error: unknown) => {
      // Somebody else broke it first, or what was verified was not good: either way it is as it now is.
      if (!isFailure(error)) throw error
    })
    return records.get(ingest.id)
  }

  async function hold({ reference, lease, expected, total }: Opening, grant: Grant, asked: Asked): Promise<Ingest> {
    const { id } = blobs.ingest(reference)
    const also = () => {
      demandAbsent(expected)
      // A lease that was named is to hold it, or nothing is opened; what every change keeps in step makes do without one that has ended.
      if (lease !== undefined) keeping.keep(ingestThing(reference), { lease })
    }
    const options = { ...asked, also }
    const at = grant.holder.since
    const epoch = randomUUID()
    const found = records.get(id)
    const before = found && (await freed(found))
    if (!before) return await records.create(id, { reference, lease, grant, expected, total, epoch, at }, options)
    demandAbsent(expected)
    if (before.value !== 'closed') throw busy(before)
    const { context } = before
    const offset = await offsetOf(blobs, reference)
    const restart = differ(expected, context.expected) || differ(total, context.total) || offset > (total ?? context.total ?? offset)
    const expectation = restart ? { expected, total } : { expected: expected ?? context.expected, total: total ?? context.total }
    return await records.send(id, { type: 'open', grant, offset, restart, epoch, lease, at, ...expectation }, options)
  }

  function demandAbsent(expected: Digest | undefined): void {
    if (expected !== undefined && contents.get(expected)) throw alreadyContent(expected)
  }

  /** A writer lost the race for the record: say who won. */
  function lost(error: unknown, { reference, expected }: Opening): unknown {
    if (!isFailure(error, 'already_exists', 'failed_precondition')) return error
    if (expected !== undefined && contents.get(expected)) return alreadyContent(expected)
    const winner = records.get(blobs.ingest(reference).id)
    return winner ? busy(winner) : new Failure('unavailable', `open ingest ${reference}: another writer just had it`, { cause: error })
  }

  return {
    newGrant,
    freed,
    hold: (opening, grant, asked) =>
      hold(opening, grant, asked).catch((error: unknown) => {
        throw lost(error, opening)
      }),
  }
}

/** Both are known, and are not the same. */
const differ = <T>(one: T | undefined, other: T | undefined): boolean => one !== undefined && other !== undefined && one !== other

export const heldBy = ({ holder }: Grant): string => `process ${holder.pid} of node ${holder.node} has it since ${holder.since}`

function busy({ context: { reference, grant } }: Ingest): Failure {
  if (!grant) return new Failure('unavailable', `open ingest ${reference}: another writer just had it`)
  return new Failure('unavailable', `open ingest ${reference}: ${heldBy(grant)}`, { details: { holder: grant.holder } })
}
