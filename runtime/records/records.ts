/**
 * Records: things whose life is a machine and whose state is stored. Transition, write, effect.
 *
 * `send` takes the stored state, refuses with failed_precondition when the machine cannot take the event there, otherwise writes
 * the next state, the effects still to be carried out and the facts to be told in one transaction; only then are the effects carried out,
 * in order, each safe to repeat. What a crash interrupts is carried out again at the next start.
 */
import type { AnyStateMachine, ContextFrom, EventFromLogic, InputFrom } from 'xstate'
import type { Tables } from '../tables.ts'

/** One record as stored. */
export interface Stored<M extends AnyStateMachine> {
  readonly id: string
  readonly value: string
  readonly context: ContextFrom<M>
}

/** Carries out one effect. It may answer with an event: that is sent to the record next (`mounted`, `failed`). Must be safe to repeat. */
export type Effect<M extends AnyStateMachine> = (
  record: Stored<M>,
  params: Readonly<Record<string, unknown>>,
  options: { signal: AbortSignal },
) => Promise<EventFromLogic<M> | undefined> | EventFromLogic<M> | undefined

/** A fact to be told, made from the record as it is after the transition; it goes into the outbox in the same transaction. */
export type Announcement<M extends AnyStateMachine> = (
  record: Stored<M>,
  params: Readonly<Record<string, unknown>>,
) => { fact: string; data: Readonly<Record<string, unknown>> }

/** What a kind of record needs: every action the machine names is an effect or an announcement, never both. */
export interface RecordsInit<M extends AnyStateMachine> {
  /** table the records are in */
  readonly table: string
  readonly machine: M
  readonly effects: Readonly<Record<string, Effect<M>>>
  readonly announcements: Readonly<Record<string, Announcement<M>>>
}

export interface Change {
  /** Runs inside the same transaction, after the state is written: to keep an index, or another table, in step. May throw a Failure: nothing happens then. */
  readonly also?: ((tables: Tables) => void) | undefined
  readonly signal?: AbortSignal | undefined
}

/**
 * Every method that changes a record resolves once all its effects are carried out and the events they answered with are dealt with; one that throws
 * makes the method fail with it, after the machine was told `{type: 'failed'}` if it can take that. Changes to one record queue behind each other.
 * A record whose machine has reached a final state is taken out of the table once its effects are carried out.
 */
export interface Records<M extends AnyStateMachine> extends AsyncDisposable {
  /** Fails with already_exists. */
  create(id: string, input: InputFrom<M>, change?: Change): Promise<Stored<M>>
  /** Fails with not_found, or failed_precondition when the machine cannot take the event. */
  send(id: string, event: EventFromLogic<M>, change?: Change): Promise<Stored<M>>
  get(id: string): Stored<M> | undefined
  list(options?: { after?: string | undefined; limit?: number | undefined }): Stored<M>[]
  /** Carry out what an earlier run left undone. Called once, before the actor serves. */
  resume(): Promise<void>
}
