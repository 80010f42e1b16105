import { randomUUID } from 'node:crypto'
import { rmdir } from 'node:fs/promises'
import { dirname } from 'node:path'
import type { Claim, Expectation, Grant, ingestMachine } from '../../machines/ingest.ts'
import type { Info } from '../../messages/content.ts'
import { Failure, isFailure } from '../../messages/grammar/index.ts'
import type { Digest } from '../../messages/words/index.ts'
import { isAlive, type Living } from '../../runtime/alive.ts'
import type { Blobs } from '../../runtime/blobs.ts'
import type { Records } from '../../runtime/records/records.ts'
import type { Table } from '../../runtime/tables.ts'
import type { Changes } from './changes.ts'
import type { Lending, Lent } from './lending.ts'
import { alreadyContent, type Ingest } from './life.ts'
import { openPace } from './pace.ts'
import type { Slices } from './slices.ts'
import { offsetOf } from './status.ts'
import { openWriter } from './writer.ts'

/** What a request comes with. */
export interface Asked {
  readonly signal: AbortSignal
  readonly trace?: string | undefined
}

export interface TransactionComponents {
  readonly node: string
  readonly me: Living
  readonly blobs: Blobs
  readonly records: Records<typeof ingestMachine>
  readonly contents: Table<Info>
  readonly lending: Lending
  readonly changes: Changes
  readonly slices: Slices
  /** a blob is in its place */
  readonly created: (digest: Digest) => void
  readonly tellAdvanced: (reference: string, offset: number, total: number | undefined) => void
  readonly now: () => string
}

/** Ingests as their writers see them: open, go on, commit, close, abort. */
export interface Transactions {
  open(asked: { reference: string; token?: string | undefined } & Expectation, options: Asked): Promise<Lent>
  advance(token: string, offset: number, options: Asked): Promise<void>
  write(token: string, piece: { offset: number; bytes: Uint8Array }, options: Asked): Promise<number>
  /** Go on from an offset that was passed already; who follows is told that what was read counts for nothing. Answers the offset. */
  truncate(token: string, offset: number, options: Asked): Promise<number>
  commit(token: string, claim: Claim, options: Asked): Promise<Info>
  close(token: string): Promise<void>
  abort(asked: { reference: string; token?: string | undefined; why?: string }, options: Asked): Promise<void>
  /** Take an ingest from a dead holder; how it is then, undefined when that was its end. */
  freed(ingest: Ingest): Promise<Ingest | undefined>
  /** Close everything this process lent. */
  closeAll(): Promise<void>
}

const advancedMs = 250

export function transactions(components: TransactionComponents): Transactions {
  const { blobs, records, contents, lending, changes, slices, me, node, now } = components

  const received = new WeakSet<Lent>()

  const opening = new Map<string, Promise<Lent>>()
  const newGrant = (token: string = randomUUID()): Grant => ({ token, holder: { node, ...me, since: now() } })
  const absent = (expected: Digest | undefined) => () => {
    if (expected !== undefined && contents.get(expected)) throw alreadyContent(expected)
  }

  async function freed(ingest: Ingest): Promise<Ingest | undefined> {
    const { grant } = ingest.context
    if (!grant || (await isAlive(grant.holder))) return ingest
    await records.send(ingest.id, { type: 'break', token: grant.token, grant: newGrant(), at: now() }).catch((error: unknown) => {
      // Somebody else broke it first, or what was verified was not good: either way it is as it now is.
      if (!isFailure(error)) throw error
    })
    return records.get(ingest.id)
  }

  /** The record, held by a new grant: begun, or gone on with. */
  async function hold({ reference, expected, total }: { reference: string } & Expectation, grant: Grant, asked: Asked): Promise<Ingest> {
    const { id } = blobs.ingest(reference)
    const options = { ...asked, also: absent(expected) }
    const at = grant.holder.since
    const found = records.get(id)
    const before = found && (await freed(found))
    if (!before) return await records.create(id, { reference, grant, expected, total, at }, options)
    absent(expected)()
    if (before.value !== 'closed') throw busy(before)
    const { context } = before
    const offset = await offsetOf(blobs, reference)
    const restart = differ(expected, context.expected) || differ(total, context.total) || offset > (total ?? context.total ?? offset)
    const expectation = restart ? { expected, total } : { expected: expected ?? context.expected, total: total ?? context.total }
    return await records.send(id, { type: 'open', grant, offset, restart, at, ...expectation }, options)
  }

  /** A writer lost the race for the record: say who won. */
  function lost(error: unknown, reference: string, expected: Digest | undefined): unknown {
    if (!isFailure(error, 'already_exists', 'failed_precondition', 'not_found')) return error
    if (expected !== undefined && contents.get(expected)) return error
    const winner = records.get(blobs.ingest(reference).id)
    return winner ? busy(winner) : new Failure('unavailable', `open ingest ${reference}: another writer just had it`, { cause: error })
  }

  async function lendTo(ingest: Ingest, grant: Grant): Promise<Lent> {
    // A record just begun speaks of no bytes: what may lie there is left over.
    const fresh = ingest.context.startedAt === grant.holder.since
    const { reference, expected, total, startedAt } = ingest.context
    const writer = await openWriter({ slices }, { path: blobs.ingest(reference).data, reference, expected, total, fresh })
    const pace = openPace(advancedMs, () => components.tellAdvanced(reference, writer.offset, total))
    const lent = { token: grant.token, id: ingest.id, reference, startedAt, writer, pace }
    lending.add(lent)
    changes.tell(reference)
    return lent
  }

  async function lend(asked: { reference: string } & Expectation, grant: Grant, options: Asked): Promise<Lent> {
    const ingest = await hold(asked, grant, options).catch((error: unknown) => {
      throw lost(error, asked.reference, asked.expected)
    })
    try {
      const lent = await lendTo(ingest, grant)
      if (!options.signal.aborted) return lent
      // Nobody is there to take it.
      await lending.drop(lent)
      throw options.signal.reason
    } catch (error) {
      await giveBack(ingest.id, grant.token)
      throw error
    }
  }

  /** Give back what this token still holds; the bytes stay. */
  async function giveBack(id: string, token: string): Promise<void> {
    const ingest = records.get(id)
    if (ingest?.context.grant?.token === token && records.can(id, { type: 'close', at: now() })) {
      await records.send(id, { type: 'close', at: now() })
    }
    if (ingest) changes.tell(ingest.context.reference)
  }

  /** The first growth is written down; nobody waits for that, and what it fails with the next change says again. */
  function grown(lent: Lent, asked: Asked): void {
    if (!received.has(lent)) {
      received.add(lent)
      records.send(lent.id, { type: 'advance', at: now() }, { trace: asked.trace }).catch(() => {})
    }
    lent.pace.wake()
    changes.tell(lent.reference)
  }

  async function settle(lent: Lent, claim: Claim, asked: Asked): Promise<Info> {
    const expected = records.get(lent.id)?.context.expected
    const digest = claim.digest ?? expected ?? (await lent.writer.digest('sha256', asked))
    const commit = { type: 'commit', claim: { ...claim, digest }, at: now() } as const
    return await blobs.alone(
      digest,
      async () => {
        const { value } = await records.send(lent.id, commit, asked)
        const info = contents.get(digest)
        if (value !== 'committed' || !info) throw alreadyContent(digest)
        changes.tell(lent.reference, { state: 'committed', digest, size: info.size })
        components.created(digest)
        return info
      },
      asked,
    )
  }

  async function close(token: string): Promise<void> {
    const lent = lending.take(token)
    await lending.drop(lent)
    await giveBack(lent.id, token)
  }

  return {
    freed,
    async open(asked, options) {
      options.signal.throwIfAborted()
      const { reference, expected, token = randomUUID() } = asked
      absent(expected)()
      const joined = opening.get(token)
      const before = joined ? await joined.catch(() => undefined) : lending.find(token)
      if (before && before.reference !== reference)
        throw new Failure('invalid_argument', `open ingest ${reference}: the token is of ingest ${before.reference}`)
      if (before) return before
      const lent = lend(asked, newGrant(token), options)
      opening.set(token, lent)
      return await lent.finally(() => opening.delete(token))
    },
    async advance(token, offset, asked) {
      const lent = lending.get(token)
      await lent.writer.advance(offset, asked)
      grown(lent, asked)
    },
    async write(token, { offset, bytes }, asked) {
      const lent = lending.get(token)
      const reached = await lent.writer.write(offset, bytes, asked)
      grown(lent, asked)
      return reached
    },
    async truncate(token, offset, asked) {
      const lent = lending.get(token)
      if (offset === lent.writer.offset) return offset
      await lent.writer.truncate(offset, asked)
      lent.pace.wake()
      changes.tell(lent.reference, { state: 'aborted', why: `it was truncated to ${offset}` })
      return offset
    },
    async commit(token, claim, asked) {
      asked.signal.throwIfAborted()
      const lent = lending.take(token)
      try {
        return await settle(lent, claim, asked)
      } catch (error) {
        await giveBack(lent.id, token)
        if (isFailure(error, 'already_exists') && records.get(lent.id)?.value === 'closed') {
          await records.send(lent.id, { type: 'abort', why: error.message })
        }
        throw error
      } finally {
        await lending.drop(lent)
        // Left over of what is committed; gone already, or somebody's again, it is none of ours.
        if (!records.get(lent.id)) await rmdir(dirname(lent.writer.path)).catch(() => {})
      }
    },
    close,
    async abort({ reference, token, why = 'it was aborted' }, asked) {
      const { id } = blobs.ingest(reference)
      const found = records.get(id)
      const ingest = found && (await freed(found))
      if (!ingest) throw new Failure('not_found', `abort ingest ${reference}: there is none`)
      const { grant } = ingest.context
      if (grant && grant.token !== token)
        throw new Failure('failed_precondition', `abort ingest ${reference}: ${held(grant)}`, { details: { holder: grant.holder } })
      if (ingest.value === 'verifying') throw new Failure('failed_precondition', `abort ingest ${reference}: it is being verified`)
      const lent = grant && lending.of(id)
      if (lent) await lending.drop(lent)
      await records.send(id, { type: 'abort', why }, asked)
    },
    async closeAll() {
      for (const token of lending.tokens()) await close(token)
    },
  }
}

/** Both are known, and are not the same. */
const differ = <T>(one: T | undefined, other: T | undefined): boolean => one !== undefined && other !== undefined && one !== other

const held = ({ holder }: Grant): string => `process ${holder.pid} of node ${holder.node} has it since ${holder.since}`

function busy({ context: { reference, grant } }: Ingest): Failure {
  if (!grant) return new Failure('unavailable', `open ingest ${reference}: another writer just had it`)
  return new Failure('unavailable', `open ingest ${reference}: ${held(grant)}`, { details: { holder: grant.holder } })
}
