import type { AnyStateMachine } from 'xstate'
import type { Log } from '../../messages/grammar/index.ts'
import type { Tables } from '../tables.ts'
import { carrying } from './carry.ts'
import { demandNamed } from './named.ts'
import type { Outbox } from './outbox.ts'
import type { Change, Records, RecordsInit } from './record.ts'
import { type Entry, store } from './store.ts'
import { turns } from './turns.ts'

/** What records are is written in `record.ts`. */
export type { Announcement, Change, Effect, EffectOptions, Records, RecordsInit, Stored } from './record.ts'

/** Open a kind of record. Disposing aborts the effects being carried out; they are carried out again by `resume` of the next run. */
export function records<M extends AnyStateMachine>(
  components: { readonly tables: Tables; readonly outbox: Pick<Outbox, 'put'>; readonly log: Log },
  init: RecordsInit<M>,
): Records<M> {
  demandNamed(init)
  const closing = new AbortController()
  const kept = store(components, init)
  const queue = turns()
  const carry = carrying({ kept, log: components.log, closing: closing.signal }, init)

  /** One change in its turn: first what an earlier one left, then the change, then its effects. */
  const change = (id: string, options: Change<M>, write: () => Promise<Entry<M>>) =>
    queue.take(id, options.signal, async () => {
      closing.signal.throwIfAborted()
      await carry(id, { leftover: true })
      options.signal?.throwIfAborted()
      return await carry(id, { signal: options.signal, from: await write() })
    })

  return {
    create: (id, input, options = {}) => change(id, options, () => kept.create(id, input, options)),
    send: (id, event, options = {}) => change(id, options, () => kept.send(id, event, options)),
    get: (id) => kept.get(id),
    list: (options) => kept.list(options),
    can: (id, event) => kept.can(id, event),
    async resume() {
      const attempts = await Promise.allSettled(
        kept.unfinished().map((id) => queue.take(id, closing.signal, () => carry(id, { leftover: true }))),
      )
      for (const attempt of attempts)
        if (attempt.status === 'rejected') components.log.warn({ error: attempt.reason }, `resume ${init.table}`)
    },
    async [Symbol.asyncDispose]() {
      closing.abort()
      await queue.idle()
    },
  }
}
