/** Any machine, tested as data. */
import { isDeepStrictEqual } from 'node:util'
import { type AnyStateMachine, type EventFromLogic, type InputFrom, initialTransition, type SnapshotFrom, transition } from 'xstate'
import { getShortestPaths } from 'xstate/graph'

/** A machine with what it takes to live: every input that makes a difference, and of every event an example, several where a guard tells them apart. */
export interface Specimen<M extends AnyStateMachine> {
  readonly machine: M
  readonly inputs: readonly InputFrom<M>[]
  readonly events: readonly EventFromLogic<M>[]
}

/** Names of the states of a flat machine, in order. */
export const statesOf = (machine: AnyStateMachine): string[] => Object.keys(machine.root.states).toSorted()

/** The shortest way to every state that can be reached, as the events that lead there. `expect(Object.keys(paths(it))).toEqual(statesOf(it.machine))`. */
export function paths<M extends AnyStateMachine>(specimen: Specimen<M>): Record<string, string[]> {
  const found = reached(specimen).map(({ state, events }) => [String(state.value), events] as const)
  return Object.fromEntries(found.toSorted(([a], [b]) => (a < b ? -1 : 1)))
}

/**
 * Which events each state takes, in order: compare it with the table that is meant. Every other event of the specimen is refused there, and it is checked that
 * being refused means that nothing changes and nothing is done.
 */
export function legal<M extends AnyStateMachine>(specimen: Specimen<M>): Record<string, string[]> {
  const takes = new Map<string, Set<string>>()
  for (const { state } of reached(specimen)) {
    const taken = takes.get(String(state.value)) ?? new Set()
    takes.set(String(state.value), taken)
    for (const event of specimen.events) if (takesOrIgnores(specimen.machine, state, event)) taken.add(event.type)
  }
  return Object.fromEntries([...takes].toSorted(([a], [b]) => (a < b ? -1 : 1)).map(([state, events]) => [state, [...events].toSorted()]))
}

/** The effects of a life: every state passed, with the actions named on the way there. */
export function life<M extends AnyStateMachine>(
  machine: M,
  input: InputFrom<M>,
  events: readonly EventFromLogic<M>[],
): [state: string, actions: Named[]][] {
  let [state, actions] = initialTransition(machine as AnyStateMachine, input)
  const passed: [string, Named[]][] = [[String(state.value), named(actions)]]
  for (const event of events) {
    ;[state, actions] = transition(machine as AnyStateMachine, state, event)
    passed.push([String(state.value), named(actions)])
  }
  return passed
}

/** An action and its params, if it has any. */
type Named = string | { readonly type: string; readonly params: unknown }

const named = (actions: readonly { type: string; params: unknown }[]): Named[] =>
  actions.filter(({ type }) => !type.startsWith('xstate.')).map(({ type, params }) => (params === undefined ? type : { type, params }))

interface Reached {
  readonly state: SnapshotFrom<AnyStateMachine>
  readonly events: string[]
}

/** One snapshot of every state and input, the first one come to. */
function reached<M extends AnyStateMachine>({ machine, inputs, events }: Specimen<M>): Reached[] {
  return inputs.flatMap((input) => {
    const serializeState = (state: SnapshotFrom<AnyStateMachine>) => JSON.stringify(state.value)
    const found = getShortestPaths(machine as AnyStateMachine, { input, events, serializeState })
    return found.map(({ state, steps }) => ({
      state,
      events: steps.map(({ event }) => event.type).filter((type) => !type.startsWith('xstate.init')),
    }))
  })
}

function takesOrIgnores<M extends AnyStateMachine>(machine: M, state: SnapshotFrom<AnyStateMachine>, event: EventFromLogic<M>): boolean {
  if (state.status === 'active' && state.can(event)) return true
  const [after, actions] = transition(machine as AnyStateMachine, state, event)
  const changed = after.value !== state.value || !isDeepStrictEqual(after.context, state.context) || actions.length > 0
  if (changed) throw new Error(`${machine.id} cannot take ${event.type} when ${String(state.value)}, and yet something happened`)
  return false
}
