import { Failure } from '../../messages/grammar/index.ts'
import type { Pace } from './pace.ts'
import type { Presence } from './presence.ts'
import type { Writer } from './writer.ts'

/** An ingest held by a writer that asked this process for it. */
export interface Lent {
  readonly token: string
  readonly id: string
  readonly reference: string
  readonly startedAt: string
  readonly writer: Writer
  /** tells of growth, not too often */
  readonly pace: Pace
  /** who asked for it */
  readonly presence: Presence
}

/** Every ingest lent by this process, by token. */
export interface Lending {
  add(lent: Lent): void
  /** Undefined when the token is not, or no longer, good for anything. */
  find(token: string): Lent | undefined
  /** Its writer uses it, and lives. Fails with not_found when the token is not, or no longer, good for anything. */
  get(token: string): Lent
  /** As get, and the token is good for nothing from now on; the writer stays until it is dropped. */
  take(token: string): Lent
  /** By id of the record, taken or not. */
  of(id: string): Lent | undefined
  /** Close its file, and leave its writer alone. */
  drop(lent: Lent): Promise<void>
  tokens(): string[]
}

export function openLending(): Lending {
  const good = new Map<string, Lent>()
  const kept = new Map<string, Lent>()
  const get = (token: string): Lent => {
    const lent = good.get(token)
    if (!lent) throw new Failure('not_found', 'use a token of an ingest: it is not of one that is open')
    lent.presence.heard()
    return lent
  }
  return {
    find: (token) => good.get(token),
    get,
    add(lent) {
      good.set(lent.token, lent)
      kept.set(lent.id, lent)
    },
    take(token) {
      const lent = get(token)
      good.delete(token)
      return lent
    },
    of: (id) => kept.get(id),
    async drop(lent) {
      good.delete(lent.token)
      if (kept.get(lent.id) === lent) kept.delete(lent.id)
      lent.pace[Symbol.dispose]()
      lent.presence[Symbol.dispose]()
      await lent.writer[Symbol.asyncDispose]()
    },
    tokens: () => [...good.keys()],
  }
}
