import { type AnyStateMachine, type EventFromLogic, type InputFrom, initialTransition, type SnapshotFrom, transition } from 'xstate'
import { Failure } from '../../messages/grammar/index.ts'
import type { Stored } from './record.ts'

/** What a machine named to be done in a transition. */
export interface Action {
  readonly type: string
  readonly params: Readonly<Record<string, unknown>>
}

/** Where a transition leads and what it asks for. Nothing is done yet. */
export interface Step<M extends AnyStateMachine> {
  readonly value: string
  readonly context: Stored<M>['context']
  readonly actions: readonly Action[]
}

/** The first step of a life. */
export function begin<M extends AnyStateMachine>(machine: M, input: InputFrom<M>): Step<M> {
  const [snapshot, actions] = initialTransition(machine as AnyStateMachine, input)
  return stepOf(machine, snapshot, actions)
}

/** The step an event leads to; undefined when the machine cannot take it there. */
export function advance<M extends AnyStateMachine>(
  machine: M,
  from: Pick<Stored<M>, 'value' | 'context'>,
  event: EventFromLogic<M>,
): Step<M> | undefined {
  const snapshot = resolve(machine, from)
  if (snapshot.status !== 'active' || !snapshot.can(event)) return undefined
  const [next, actions] = transition(machine as AnyStateMachine, snapshot, event)
  return stepOf(machine, next, actions)
}

/** Whether the machine can take an event there. */
export function canTake<M extends AnyStateMachine>(
  machine: M,
  from: Pick<Stored<M>, 'value' | 'context'>,
  event: EventFromLogic<M>,
): boolean {
  const snapshot = resolve(machine, from)
  return snapshot.status === 'active' && snapshot.can(event)
}

/** Whether a life ends there. */
export const isFinal = <M extends AnyStateMachine>(machine: M, at: Pick<Stored<M>, 'value' | 'context'>): boolean =>
  resolve(machine, at).status !== 'active'

const resolve = <M extends AnyStateMachine>(machine: M, at: Pick<Stored<M>, 'value' | 'context'>): SnapshotFrom<AnyStateMachine> =>
  (machine as AnyStateMachine).resolveState({ value: at.value, context: at.context })

function stepOf<M extends AnyStateMachine>(
  machine: M,
  snapshot: SnapshotFrom<AnyStateMachine>,
  actions: readonly { type: string; params: unknown }[],
): Step<M> {
  if (snapshot.status === 'error') throw new Failure('internal', `step ${machine.id}: ${String(snapshot.error)}`, { cause: snapshot.error })
  if (typeof snapshot.value !== 'string')
    throw new Failure('internal', `step ${machine.id}: the machine of a record is flat, this one is in ${JSON.stringify(snapshot.value)}`)
  return {
    value: snapshot.value,
    context: snapshot.context,
    // What XState does itself (assign, raise) is already in the snapshot; what it would need an interpreter for has no place in a record.
    actions: actions
      .filter(({ type }) => !type.startsWith('xstate.'))
      .map(({ type, params }) => ({ type, params: (params ?? {}) as Action['params'] })),
  }
}
