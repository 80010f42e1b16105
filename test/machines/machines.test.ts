import { expect, test } from 'vitest'
import type { AnyStateMachine } from 'xstate'
import { toDirectedGraph } from 'xstate/graph'
import { allMachines } from '../../ops/docs/machines-page.ts'
import { statesOf } from '../support/machines.ts'

const machines = (await allMachines()).map(({ file, machine }) => ({ file, id: machine.id, machine }))

/** Where arrows lead from each state; what is said at the top is said in every state. */
function arrows(machine: AnyStateMachine): Map<string, Set<string>> {
  const { edges, children } = toDirectedGraph(machine)
  const top = edges.map(({ target }) => target.key)
  const from = (key: string, own: string[]) => [key, new Set([...own, ...(machine.root.states[key]?.type === 'final' ? [] : top)])] as const
  return new Map(
    children.map(({ stateNode, edges }) =>
      from(
        stateNode.key,
        edges.map(({ target }) => target.key),
      ),
    ),
  )
}

function walk(from: string[], steps: Map<string, Set<string>>): string[] {
  const seen = new Set(from)
  for (const state of seen) for (const next of steps.get(state) ?? []) seen.add(next)
  return [...seen].toSorted()
}

test.each(machines)('$id: an arrow leads to every state', ({ machine }) => {
  const first = machine.root.initial.target.map(({ key }) => key)
  expect(walk(first, arrows(machine))).toEqual(statesOf(machine))
})

test.each(machines)('$id: from every state a way leads to an end', ({ machine }) => {
  const steps = arrows(machine)
  const isEnd = (key: string) => machine.root.states[key]?.type === 'final'
  for (const state of statesOf(machine)) expect(walk([state], steps).filter(isEnd), `from ${state}`).not.toEqual([])
})

test.each(machines)('$id: is flat, and is named as its file', ({ file, machine }) => {
  expect(file).toBe(`${machine.id}.ts`)
  for (const state of Object.values(machine.root.states)) expect(Object.keys(state.states)).toEqual([])
})

test.each(machines)('$id: names what it does, and does nothing in place but change its context', ({ machine }) => {
  const known = Object.keys(machine.implementations.actions)
  const inPlace = (action: unknown) => typeof action === 'function' && !('type' in action && action.type === 'xstate.assign')
  const all = Object.values(machine.root.states).flatMap((state) => [
    ...state.entry,
    ...state.exit,
    ...[...state.transitions.values()].flat().flatMap(({ actions }) => actions),
  ])
  expect(all.filter(inPlace)).toEqual([])
  for (const action of all) if (typeof action === 'object' && 'type' in action) expect(known).toContain(action.type)
})
