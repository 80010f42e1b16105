import type { AnyStateMachine, ContextFrom, EventFromLogic, InputFrom } from 'xstate'
import { Failure, type FailureData } from '../../messages/grammar/index.ts'
import { type Living, thisProcess } from '../alive.ts'
import type { Tables } from '../tables.ts'
import type { Outbox } from './outbox.ts'
import type { Change, RecordsInit, Stored } from './record.ts'
import { type Action, advance, begin, canTake, isFinal, type Step } from './step.ts'

/** An effect still to be carried out. */
export interface Pending extends Action {
  readonly trace?: string | undefined
}

/** A record as it lies in its table. */
export interface Entry<M extends AnyStateMachine> {
  readonly value: string
  readonly context: ContextFrom<M>
  /** in the order they are to be carried out */
  readonly pending: readonly Pending[]
  /** the process that carries them out */
  readonly holder?: Living | undefined
}

/**
 * Every write of a record, each one transaction: state, effects to come, facts. It answers the entry as it is then. One at its end, with nothing still to
 * be done, is taken out in that same transaction.
 */
export interface Store<M extends AnyStateMachine> {
  create(id: string, input: InputFrom<M>, change: Change<M>): Promise<Entry<M>>
  send(id: string, event: EventFromLogic<M>, change: Change<M>): Promise<Entry<M>>
  /** The first pending effect is done, and answered with this. */
  done(id: string, answer: EventFromLogic<M> | undefined): Promise<Entry<M>>
  /** The first pending effect cannot be done: tell the machine, or drop what was to come. */
  failed(id: string, why: FailureData): Promise<Entry<M>>
  /** Take over what `from` left undone; fails with unavailable when somebody else already did. */
  claim(id: string, from: Living | undefined): Promise<void>
  /** Nobody is at it any more. */
  release(id: string): Promise<void>
  entry(id: string): Entry<M> | undefined
  get(id: string): Stored<M> | undefined
  list(options?: { after?: string | undefined; prefix?: string | undefined; limit?: number | undefined }): Stored<M>[]
  can(id: string, event: EventFromLogic<M>): boolean
  /** Ids of records with effects to come. */
  unfinished(): string[]
}

export function store<M extends AnyStateMachine>(
  components: { tables: Tables; outbox: Pick<Outbox, 'put'> },
  init: RecordsInit<M>,
): Store<M> {
  const { tables, outbox } = components
  const { machine } = init
  const table = tables.table<Entry<M>>(init.table)
  const me = thisProcess()

  const keep = (id: string, entry: Entry<M>): Entry<M> => {
    if (entry.pending.length === 0 && isFinal(machine, entry)) table.remove(id)
    else table.put(id, entry)
    return entry
  }
  /** Write a step: the facts it announces into the outbox, the rest behind what is still pending. */
  const write = (
    id: string,
    step: Step<M>,
    before: readonly Pending[],
    made: { holder: Living; trace?: string | undefined; also?: Change<M>['also'] },
  ) => {
    const { holder, trace } = made
    const record = { id, value: step.value, context: step.context }
    const pending = [...before]
    for (const action of step.actions) {
      const told = init.announcements[action.type]?.(record, action.params)
      if (told) outbox.put({ actor: init.actor, trace, fact: told.fact, data: told.data, entity: told.entity ?? id })
      else pending.push(trace === undefined ? action : { ...action, trace })
    }
    const entry = keep(id, { value: step.value, context: step.context, pending, ...(pending.length > 0 && { holder }) })
    made.also?.(tables, record)
    init.also?.(tables, record)
    return entry
  }
  const kept = (id: string): Entry<M> => {
    const entry = table.get(id)
    if (!entry) throw new Failure('not_found', `find ${init.table} ${id}: there is none`)
    return entry
  }
  /** What must hold before a change: everything an earlier one asked for is done. */
  const demandIdle = (id: string, entry: Entry<M>) => {
    if (entry.pending.length > 0) throw new Failure('unavailable', `change ${init.table} ${id}: another process is at it`)
  }

  return {
    async create(id, input, change) {
      const holder = await me
      return await tables.transaction(() => {
        if (table.get(id)) throw new Failure('already_exists', `create ${init.table} ${id}: it exists`)
        return write(id, begin(machine, input), [], { holder, trace: change.trace, also: change.also })
      })
    },
    async send(id, event, change) {
      const holder = await me
      return await tables.transaction(() => {
        const entry = kept(id)
        demandIdle(id, entry)
        const step = advance(machine, entry, event)
        if (!step) throw new Failure('failed_precondition', `${event.type} ${init.table} ${id}: it is ${entry.value}`)
        return write(id, step, [], { holder, trace: change.trace, also: change.also })
      })
    },
    async done(id, answer) {
      const holder = await me
      return await tables.transaction(() => {
        const entry = kept(id)
        const [effect, ...pending] = entry.pending
        if (!answer) return keep(id, { ...entry, pending, holder: pending.length > 0 ? holder : undefined })
        const step = advance(machine, entry, answer)
        if (!step)
          throw new Failure(
            'internal',
            `${effect?.type} ${init.table} ${id}: it answered ${answer.type}, which cannot be taken when ${entry.value}`,
          )
        return write(id, step, pending, { holder, trace: effect?.trace })
      })
    },
    async failed(id, why) {
      const holder = await me
      return await tables.transaction(() => {
        const entry = kept(id)
        const step = advance(machine, entry, { type: 'failed', why } as unknown as EventFromLogic<M>)
        if (step) return write(id, step, [], { holder, trace: entry.pending[0]?.trace })
        return keep(id, { ...entry, pending: isFinal(machine, entry) ? entry.pending : [], holder: undefined })
      })
    },
    async claim(id, from) {
      const holder = await me
      await tables.transaction(() => {
        const entry = kept(id)
        if (!same(entry.holder, from)) demandIdle(id, entry)
        table.put(id, { ...entry, holder })
      })
    },
    release: (id) =>
      tables.transaction(() => {
        const entry = table.get(id)
        if (entry) table.put(id, { ...entry, holder: undefined })
      }),
    entry: (id) => table.get(id),
    get(id) {
      const entry = table.get(id)
      return entry && { id, value: entry.value, context: entry.context }
    },
    list: (options) => Array.from(table.range(options), ({ key: id, value: { value, context } }) => ({ id, value, context })),
    can: (id, event) => {
      const entry = table.get(id)
      return entry !== undefined && canTake(machine, entry, event)
    },
    unfinished: () => Array.from(table.range()).flatMap(({ key, value }) => (value.pending.length > 0 ? [key] : [])),
  }
}

const same = (one: Living | undefined, other: Living | undefined): boolean =>
  one?.pid === other?.pid && one?.started === other?.started && one?.boot === other?.boot
