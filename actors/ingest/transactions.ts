import { randomUUID } from 'node:crypto'
import { existsSync, rmdirSync } from 'node:fs'
import { dirname } from 'node:path'
import type { Claim, Grant, ingestMachine } from '../../machines/ingest.ts'
import type { Info } from '../../messages/content.ts'
import { Failure, isFailure } from '../../messages/grammar/index.ts'
import type { Digest } from '../../messages/words/index.ts'
import type { Blobs } from '../../runtime/blobs.ts'
import type { Keeping } from '../../runtime/keeping/keeping.ts'
import type { Records } from '../../runtime/records/records.ts'
import type { Tables } from '../../runtime/tables.ts'
import type { Changes } from './changes.ts'
import type { Closing } from './closing.ts'
import { alreadyContent, type Contents } from './contents.ts'
import type { Elsewhere } from './elsewhere.ts'
import { type Asked, type Holding, heldBy, type Opening } from './holding.ts'
import type { Lending, Lent } from './lending.ts'
import { type Ingest, ingestThing, wantedOf } from './life.ts'
import { openPace } from './pace.ts'
import { attend, type Presence } from './presence.ts'
import type { Slices } from './slices.ts'
import { verify } from './verify.ts'
import { openWriter } from './writer.ts'

export interface TransactionComponents {
  readonly tables: Tables
  readonly blobs: Blobs
  readonly records: Records<typeof ingestMachine>
  readonly contents: Contents
  readonly keeping: Keeping
  readonly holding: Holding
  readonly lending: Lending
  readonly closing: Closing
  readonly changes: Changes
  readonly elsewhere: Elsewhere
  readonly slices: Slices
  /** a blob is in its place */
  readonly created: (info: Info) => void
  readonly tellAdvanced: (reference: string, offset: number, total: number | undefined) => void
  readonly now: () => string
  /** ms after which a writer elsewhere that was not heard is taken for dead */
  readonly silenceMs: number
}

/** What is to be thrown away, and by whom. */
export interface Aborting {
  readonly reference: string
  readonly token?: string | undefined
  readonly why?: string | undefined
  /** only if nothing holds it */
  readonly unheld?: boolean | undefined
  /** what is content in its stead */
  readonly found?: { readonly digest: Digest; readonly size: number } | undefined
}

/** Ingests as their writers see them: open, go on, commit, close, abort. */
export interface Transactions {
  open(asked: Opening & { token?: string | undefined }, options: Asked): Promise<Lent>
  /** The writer of a token lives. */
  hold(token: string): void
  advance(token: string, offset: number, options: Asked): Promise<void>
  write(token: string, piece: { offset: number; bytes: Uint8Array }, options: Asked): Promise<number>
  /** Go on from an offset that was passed already; who follows is told that what was read counts for nothing. Answers the offset. */
  truncate(token: string, offset: number, options: Asked): Promise<number>
  commit(token: string, claim: Claim, options: Asked): Promise<Info>
  close(token: string): Promise<void>
  abort(asked: Aborting, options: Asked): Promise<void>
  /** Close everything this process lent. */
  closeAll(): Promise<void>
}

const advancedMs = 250
/** Hashed sooner than it is written down that they are to be. */
const fewBytes = 1024 * 1024

export function transactions(components: TransactionComponents): Transactions {
  const { tables, blobs, records, contents, keeping, holding, lending, closing, changes, elsewhere, slices, now } = components

  const opening = new Map<string, Promise<Lent>>()

  async function lendTo({ id, context }: Ingest, grant: Grant, presence: Presence): Promise<Lent> {
    // A record just begun speaks of no bytes: what may lie there is left over.
    const fresh = context.startedAt === grant.holder.since
    const { reference, expected, total, startedAt } = context
    const { directory, data: path } = blobs.ingest(reference)
    const writer = await openWriter({ slices }, { path, reference, expected, total, fresh })
    let received = false
    const pace = openPace(advancedMs, () => {
      components.tellAdvanced(reference, writer.offset, total)
      elsewhere.touch(directory)
      // The first growth is written down; nobody waits for that, and what it fails with the next change says again.
      if (!received) records.send(id, { type: 'advance', at: now() }).catch(() => {})
      received = true
    })
    const lent = { token: grant.token, id, reference, startedAt, writer, pace, presence }
    lending.add(lent)
    void presence.gone.then(() => closing.bereave(lent.token))
    changes.tell(id)
    if (!fresh) elsewhere.touch(directory)
    return lent
  }

  async function lend(asked: Opening, grant: Grant, options: Asked): Promise<Lent> {
    const presence = await attend(asked.writer, components)
    try {
      return await lendWhile(presence, asked, grant, options)
    } catch (error) {
      presence[Symbol.dispose]()
      throw error
    }
  }

  async function lendWhile(presence: Presence, asked: Opening, grant: Grant, options: Asked): Promise<Lent> {
    const ingest = await holding.hold(asked, grant, options)
    try {
      const lent = await lendTo(ingest, grant, presence)
      if (!options.signal.aborted) return lent
      // Nobody is there to take it.
      await lending.drop(lent)
      throw options.signal.reason
    } catch (error) {
      await closing.giveBack(ingest.id, grant.token)
      if (isFailure(error, 'resource_exhausted')) await leaveNothing(ingest, error)
      throw error
    }
  }

  /** What could not be begun for lack of room is not left behind; what has bytes is. */
  async function leaveNothing({ id, context }: Ingest, { message }: Failure): Promise<void> {
    const begun = context.startedAt === context.grant?.holder.since
    if (begun && records.get(id)?.value === 'closed') await records.send(id, { type: 'abort', why: message }).catch(() => {})
  }

  function grown(lent: Lent): void {
    lent.pace.wake()
    changes.tell(lent.id)
  }

  const digestOf = async (lent: Lent, { digest }: Claim, asked: Asked): Promise<Digest> =>
    digest ?? records.get(lent.id)?.context.expected ?? (await lent.writer.digest('sha256', asked))

  async function settle(lent: Lent, claim: Claim & { digest: Digest }, asked: Asked): Promise<Info> {
    const { digest } = claim
    await lent.writer.size()
    const soon = lent.writer.behind <= fewBytes && !contents.get(digest)
    const found = soon ? { digest, size: await verifyClaim(lent, claim, asked) } : undefined
    const { value } = await records.send(lent.id, { type: 'commit', claim, found, at: now() }, asked)
    const info = contents.get(digest)
    if (value !== 'committed' || !info) throw alreadyContent(digest)
    components.created(info)
    return info
  }

  async function verifyClaim(lent: Lent, claim: Claim, asked: Asked): Promise<number> {
    const ingest = records.get(lent.id)
    if (!ingest) throw new Failure('not_found', `commit ingest ${lent.reference}: there is none any more`)
    return await verify(lent.writer, wantedOf(ingest, claim), asked)
  }

  /** A commit came to nothing: the bytes are where they were, the reference is free; what is content already is done with. */
  async function unsettle(lent: Lent, digest: Digest | undefined, error: unknown): Promise<void> {
    if (digest !== undefined && !existsSync(lent.writer.path))
      await tables.transaction(() => contents.get(digest) || blobs.takeBack(digest, lent.writer.path))
    await lending.drop(lent)
    await closing.giveBack(lent.id, lent.token)
    if (!isFailure(error, 'already_exists') || records.get(lent.id)?.value !== 'closed') return
    const found = digest === undefined ? undefined : contents.get(digest)
    await records.send(lent.id, { type: 'abort', why: error.message, found: found && { digest: found.digest, size: found.size } })
  }

  return {
    async open(asked, options) {
      options.signal.throwIfAborted()
      const { reference, expected, lease, writer, token = randomUUID() } = asked
      if (expected !== undefined) await contents.demandAbsent(expected, lease)
      const joined = opening.get(token)
      const before = joined ? await joined.catch(() => undefined) : lending.find(token)
      if (before && before.reference !== reference)
        throw new Failure('invalid_argument', `open ingest ${reference}: the token is of ingest ${before.reference}`)
      if (before) {
        before.presence.heard()
        return before
      }
      const lent = lend(asked, holding.newGrant(token, writer), options)
      opening.set(token, lent)
      return await lent.finally(() => opening.delete(token))
    },
    hold: (token) => void lending.get(token),
    async advance(token, offset, asked) {
      const lent = lending.get(token)
      await lent.writer.advance(offset, asked)
      grown(lent)
    },
    async write(token, { offset, bytes }, asked) {
      const lent = lending.get(token)
      const reached = await lent.writer.write(offset, bytes, asked)
      grown(lent)
      return reached
    },
    async truncate(token, offset, asked) {
      const lent = lending.get(token)
      if (offset === lent.writer.offset) return offset
      await lent.writer.truncate(offset, asked)
      await records.send(lent.id, { type: 'truncate', epoch: randomUUID(), at: now() }, asked)
      changes.tell(lent.id, { over: true })
      lent.pace.wake()
      return offset
    },
    async commit(token, claim, asked) {
      asked.signal.throwIfAborted()
      const lent = lending.take(token)
      let digest: Digest | undefined
      try {
        digest = await digestOf(lent, claim, asked)
        return await settle(lent, { ...claim, digest }, asked)
      } catch (error) {
        await unsettle(lent, digest, error)
        throw error
      } finally {
        await lending.drop(lent)
        // Left over of what is committed; gone already, or somebody's again, it is none of ours.
        if (!records.get(lent.id)) removeEmpty(dirname(lent.writer.path))
      }
    },
    close: closing.close,
    async abort(
      { reference, token, unheld, found, why = unheld ? 'expired: nobody wrote it and nothing held it' : 'it was aborted' },
      asked,
    ) {
      const { id } = blobs.ingest(reference)
      const there = records.get(id)
      const ingest = there && (await holding.freed(there))
      if (!ingest) throw new Failure('not_found', `abort ingest ${reference}: there is none`)
      demandAbortable(ingest, token)
      const lent = ingest.context.grant && lending.of(id)
      if (lent) await lending.drop(lent)
      const also = () => {
        if (unheld) keeping.demandUnheld(ingestThing(reference))
      }
      await records.send(id, { type: 'abort', why, token, found }, { ...asked, also }).catch((error: unknown) => {
        // Somebody opened it since it was looked at.
        const now = records.get(id)
        if (now && isFailure(error, 'failed_precondition')) demandAbortable(now, token)
        throw error
      })
    },
    async closeAll() {
      for (const token of lending.tokens()) await closing.close(token)
    },
  }
}

/** Fails with failed_precondition when somebody else holds it, or it is being verified. */
function demandAbortable({ value, context: { reference, grant } }: Ingest, token: string | undefined): void {
  const attempted = `abort ingest ${reference}`
  if (grant && grant.token !== token)
    throw new Failure('failed_precondition', `${attempted}: ${heldBy(grant)}`, { details: { holder: grant.holder } })
  if (value === 'verifying') throw new Failure('failed_precondition', `${attempted}: it is being verified`)
}

function removeEmpty(directory: string): void {
  try {
    rmdirSync(directory)
  } catch {}
}
