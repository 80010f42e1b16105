import type { AnyStateMachine } from 'xstate'
import { Failure, type Log } from '../../messages/grammar/index.ts'
import { isAlive, thisProcess } from '../alive.ts'
import type { RecordsInit, Stored } from './record.ts'
import type { Entry, Store } from './store.ts'

/** What carrying out needs. `closing` is aborted when the records are closed. */
export interface CarryComponents<M extends AnyStateMachine> {
  readonly kept: Store<M>
  readonly log: Log
  readonly closing: AbortSignal
}

/**
 * Carry out the pending effects of a record and what they cause, until none is left, and take the record out if that was its end; answers the record as it
 * was last. `leftover` says they are of an earlier change: then the record may be somebody else's to carry out, or not be there at all.
 */
export type Carry<M extends AnyStateMachine> = {
  (id: string, options: { readonly leftover: true }): Promise<Stored<M> | undefined>
  (id: string, options: { readonly signal: AbortSignal | undefined; readonly from: Entry<M> }): Promise<Stored<M>>
}

export function carrying<M extends AnyStateMachine>(components: CarryComponents<M>, init: RecordsInit<M>): Carry<M> {
  const { kept, log, closing } = components

  async function carry(
    id: string,
    options: { leftover?: true; signal?: AbortSignal | undefined; from?: Entry<M> },
  ): Promise<Stored<M> | undefined> {
    if (options.leftover) await takeOver(id)
    const signal = options.signal ? AbortSignal.any([options.signal, closing]) : closing
    let entry = options.from ?? kept.entry(id)
    let failure: Failure | undefined
    while (entry && entry.pending.length > 0) {
      const { why, now }: Carried<M> = await carryOne(id, entry, failure ? closing : signal)
      if (why && failure) log.error({ error: why, id }, `carry out what ${init.table} does about a failure`)
      failure ??= why
      // An effect kept for later, because its record is at its end or the records are closing, is not tried again now.
      const kept = why && sameHead(entry, now)
      entry = now
      if (kept) break
    }
    if (failure) throw failure
    return entry && { id, value: entry.value, context: entry.context }
  }

  /** Carry out the first pending effect, and write that it is done, or could not be: then answers why. */
  async function carryOne(id: string, entry: Entry<M>, signal: AbortSignal): Promise<Carried<M>> {
    const [pending] = entry.pending
    const effect = pending && init.effects[pending.type]
    try {
      if (!effect) throw new Failure('internal', `carry out ${pending?.type} of ${init.table} ${id}: nobody knows how`)
      signal.throwIfAborted()
      const answer = await effect({ id, value: entry.value, context: entry.context }, pending.params, { signal, trace: pending.trace })
      return { now: await kept.done(id, answer) }
    } catch (error) {
      const why = Failure.from(error)
      if (!closing.aborted) return { why, now: await kept.failed(id, why.toJSON()) }
      await kept.release(id)
      return { why, now: entry }
    }
  }

  /** Make what an earlier change left undone ours, unless a living process is at it. */
  async function takeOver(id: string): Promise<void> {
    const entry = kept.entry(id)
    if (!entry || entry.pending.length === 0) return
    const holder = entry.holder
    const own = holder?.pid === process.pid && holder.started === (await thisProcess()).started
    if (holder && !own && (await isAlive(holder))) {
      throw new Failure('unavailable', `change ${init.table} ${id}: process ${holder.pid} is at it`)
    }
    await kept.claim(id, holder)
  }

  return carry as Carry<M>
}

/** How one effect went, and the record after it. */
interface Carried<M extends AnyStateMachine> {
  readonly why?: Failure
  readonly now: Entry<M>
}

/** Whether nothing was done to what is pending. */
const sameHead = <M extends AnyStateMachine>(before: Entry<M>, now: Entry<M>): boolean =>
  now.value === before.value && now.pending.length === before.pending.length && now.pending[0]?.type === before.pending[0]?.type
