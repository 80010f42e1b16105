import { randomUUID } from 'node:crypto'
import type { Expectation, Grant, ingestMachine } from '../../machines/ingest.ts'
import { Failure, isFailure } from '../../messages/grammar/index.ts'
import type { Writer } from '../../messages/ingest.ts'
import type { Digest } from '../../messages/words/index.ts'
import { isAlive, isSame, type Living } from '../../runtime/alive.ts'
import type { Blobs } from '../../runtime/blobs.ts'
import type { Keeping } from '../../runtime/keeping/keeping.ts'
import type { Records } from '../../runtime/records/records.ts'
import type { Closing } from './closing.ts'
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
  /** whose death closes it, if not this process's */
  readonly writer?: Writer | undefined
}

export interface HoldingComponents {
  readonly node: string
  readonly me: Living
  readonly blobs: Blobs
  readonly records: Records<typeof ingestMachine>
  readonly contents: Contents
  readonly keeping: Keeping
  readonly closing: Pick<Closing, 'bereave'>
  readonly now: () => string
}

/** Who has the right to write. */
export interface Holding {
  newGrant(token: string, writer?: Writer): Grant
  /** The record, held by a new grant: begun, or gone on with. Fails with unavailable, and the holder, while another has it. */
  hold(opening: Opening, grant: Grant, asked: Asked): Promise<Ingest>
  /** Take an ingest from a dead holder; how it is then, undefined when that was its end. */
  freed(ingest: Ingest): Promise<Ingest | undefined>
}

export function holding(components: HoldingComponents): Holding {
  const { blobs, records, contents, keeping, closing, me, node, now } = components

  const newGrant = (token: string, writer?: Writer): Grant => ({
    token,
    holder: { node, ...me, since: now(), ...(writer !== undefined && { writer }) },
  })

  async function freed(ingest: Ingest): Promise<Ingest | undefined> {
    const { grant } = ingest.context
    if (!grant) return ingest
    if (isSame(grant.holder, me)) return await withoutWriter(ingest, grant)
    // What it lent, and to whom, ends with it; while it lives, it is for it to see that its writer does not.
    if (await isAlive(grant.holder)) return ingest
    const breaking = { type: 'break', token: grant.token, grant: newGrant(randomUUID()), at: now() } as const
    await records.send(ingest.id, breaking).catch((error: unknown) => {
      // Somebody else broke it first, or what was verified was not good: either way it is as it now is.
      if (!isFailure(error)) throw error
    })
    return records.get(ingest.id)
  }

  /** One this process lent: the kernel may not have said yet that its writer is dead. */
  async function withoutWriter(ingest: Ingest, { token, holder: { writer } }: Grant): Promise<Ingest | undefined> {
    if (writer === undefined || writer === 'elsewhere' || (await isAlive(writer))) return ingest
    await closing.bereave(token)
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

export function heldBy({ holder: { node, pid, since, writer } }: Grant): string {
  if (writer === 'elsewhere') return `a writer on another machine has it, of node ${node}, since ${since}`
  const who = writer ? `process ${writer.pid} on the machine` : `process ${pid}`
  return `${who} of node ${node} has it since ${since}`
}

function busy({ context: { reference, grant } }: Ingest): Failure {
  if (!grant) return new Failure('unavailable', `open ingest ${reference}: another writer just had it`)
  return new Failure('unavailable', `open ingest ${reference}: ${heldBy(grant)}`, { details: { holder: grant.holder } })
}
