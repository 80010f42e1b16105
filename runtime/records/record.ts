/**
 * Records: things whose life is a machine and whose state is stored. Transition, write, effect.
 *
 * `send` takes the stored state, refuses with failed_precondition when the machine cannot take the event there, otherwise writes
 * the next state, the effects still to be carried out and the facts to be told in one transaction; only then are the effects carried out,
 * in order, each safe to repeat. What a crash interrupts is carried out again at the next start.
 *
 * Worked example, a door whose machine has `closed: { on: { open: 'opening' } }` and `opening: { entry: ['turnKey', 'announce'], on: { opened: 'open',
 * failed: 'closed' } }`: `send('front', { type: 'open' })` writes `opening`, "turnKey is still to be done" and the announced fact together; then `turnKey` is
 * carried out and answers `{ type: 'opened' }`; `open` is written, and in the same transaction turnKey is no longer to be done; `send` resolves.
 * Had turnKey thrown, `closed` would have been written, and `send` failed with what it threw.
 */
import type { AnyStateMachine, ContextFrom, EventFromLogic, InputFrom } from 'xstate'
import type { Tables } from '../tables.ts'

/** One record as stored. */
export interface Stored<M extends AnyStateMachine> {
  readonly id: string
  /** The machine's state, by name: machines of records are flat. */
  readonly value: string
  readonly context: ContextFrom<M>
}

/** What an effect is given beside the record. */
export interface EffectOptions {
  /** Aborted when the caller gives up or the records are closed. */
  readonly signal: AbortSignal
  /** traceparent of the change that caused it */
  readonly trace?: string | undefined
}

/**
 * Carries out one effect. `record` is as stored now. It may answer with an event: that is taken by the record at once, in the transaction that says the
 * effect is done (`mounted`), and what that causes is carried out after the effects that were still to be done. Must be safe to repeat.
 */
export type Effect<M extends AnyStateMachine> = (
  record: Stored<M>,
  params: Readonly<Record<string, unknown>>,
  options: EffectOptions,
) => Promise<EventFromLogic<M> | undefined> | EventFromLogic<M> | undefined

/**
 * A fact to be told, made from the record as it is after the transition; it goes into the outbox in the same transaction.
 * `entity` is what the fact is about, the record's id if left out: order is kept per entity.
 */
export type Announcement<M extends AnyStateMachine> = (
  record: Stored<M>,
  params: Readonly<Record<string, unknown>>,
) => { fact: string; data: Readonly<Record<string, unknown>>; entity?: string | undefined }

/** What a kind of record needs: every action the machine names is an effect or an announcement, never both. Changes of context (`assign`) are neither. */
export interface RecordsInit<M extends AnyStateMachine> {
  /** name of the actor whose facts these are */
  readonly actor: string
  /** table the records are in; one actor writes to it */
  readonly table: string
  readonly machine: M
  readonly effects: Readonly<Record<string, Effect<M>>>
  readonly announcements: Readonly<Record<string, Announcement<M>>>
  /**
   * Runs inside every transaction that changes a record, after its state is written, also for what effects answer with: to keep another table in step. May
   * throw a Failure: nothing happens then.
   */
  readonly also?: ((tables: Tables, record: Stored<M>) => void) | undefined
}

/** How one change is made. */
export interface Change<M extends AnyStateMachine = AnyStateMachine> {
  /**
   * Runs inside the same transaction, after the state is written and before the `also` of the records: to demand something of the tables as they were, or keep
   * another one in step. May throw a Failure: nothing happens then. It is not run for the changes that effects answer with.
   */
  readonly also?: ((tables: Tables, record: Stored<M>) => void) | undefined
  readonly signal?: AbortSignal | undefined
  /** traceparent the facts and the effects carry on */
  readonly trace?: string | undefined
}

/**
 * Every method that changes a record resolves once all its effects are carried out and the events they answered with are dealt with, with the record as
 * it is then. Changes to one record queue behind each other.
 *
 * An effect that throws makes the method fail with what it threw. If the machine can take `{type: 'failed', why}` there, it is told, in place of
 * whatever else was still to be done, and what that causes is carried out first. If it cannot, what was still to be done is dropped, except in a final state: there it
 * is kept, and tried again with the next change to that id or at the next start, because nobody can ask for it again.
 *
 * A record whose machine has reached a final state is taken out of the table once its effects are carried out.
 * A record at which another living process is at work answers unavailable.
 */
export interface Records<M extends AnyStateMachine> extends AsyncDisposable {
  /** Fails with already_exists. */
  create(id: string, input: InputFrom<M>, change?: Change<M>): Promise<Stored<M>>
  /** Fails with not_found, or failed_precondition when the machine cannot take the event. */
  send(id: string, event: EventFromLogic<M>, change?: Change<M>): Promise<Stored<M>>
  get(id: string): Stored<M> | undefined
  list(options?: { after?: string | undefined; prefix?: string | undefined; limit?: number | undefined }): Stored<M>[]
  /** Whether the machine can take the event now: for what must be known before work that is thrown away when it cannot. */
  can(id: string, event: EventFromLogic<M>): boolean
  /** Carry out what an earlier run left undone; what fails is logged and told to the machine. Called once, before the actor serves. */
  resume(): Promise<void>
}
