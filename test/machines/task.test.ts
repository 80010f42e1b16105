import { expect, test } from 'vitest'
import { getShortestPaths } from 'xstate/graph'
import { type TaskEvent, taskMachine } from '../../machines/task.ts'
import { advance, begin } from '../../runtime/records/step.ts'

const input = { id: 'c', terminal: false, stdin: false, runtime: '/usr/bin/crun', at: '2026-01-01T00:00:00Z' }
const being = { pid: 1, started: '2', boot: 'b' }
const at = '2026-01-01T00:00:01Z'

const events: readonly TaskEvent[] = [
  { type: 'created', init: being, monitor: being },
  { type: 'start' },
  { type: 'started', at },
  { type: 'pause' },
  { type: 'paused' },
  { type: 'resume' },
  { type: 'resumed' },
  { type: 'exited', exitCode: 0, at },
  { type: 'remove' },
  { type: 'removed' },
  { type: 'failed' },
]

/** Every transition there is: from, by, to, and what is to be done. */
const transitions: readonly [string, TaskEvent['type'], string, string[]][] = [
  ['creating', 'created', 'created', ['tellCreated']],
  ['creating', 'failed', 'undone', ['undo']],
  ['created', 'start', 'starting', ['release']],
  ['created', 'remove', 'removing', ['discard']],
  ['created', 'exited', 'stopped', ['tellExited']],
  ['starting', 'started', 'running', ['tellStarted']],
  ['starting', 'failed', 'created', []],
  ['starting', 'exited', 'stopped', ['tellExited']],
  ['running', 'pause', 'pausing', ['freeze']],
  ['running', 'exited', 'stopped', ['tellExited']],
  ['pausing', 'paused', 'paused', ['tellPaused']],
  ['pausing', 'failed', 'running', []],
  ['pausing', 'exited', 'stopped', ['tellExited']],
  ['paused', 'resume', 'resuming', ['thaw']],
  ['paused', 'exited', 'stopped', ['tellExited']],
  ['resuming', 'resumed', 'running', ['tellResumed']],
  ['resuming', 'failed', 'paused', []],
  ['resuming', 'exited', 'stopped', ['tellExited']],
  ['stopped', 'remove', 'removing', ['discard']],
  ['removing', 'removed', 'deleted', ['tellRemoved']],
  ['removing', 'failed', 'created', []],
]

const states = Object.keys(taskMachine.states)
const contextNow = begin(taskMachine, input).context

const step = (value: string, type: string) => {
  const event = events.find((one) => one.type === type)
  return event && advance(taskMachine, { value, context: contextNow }, event)
}

test('a task begins by being made', () => {
  expect(begin(taskMachine, input)).toMatchObject({
    value: 'creating',
    actions: [{ type: 'prepare' }],
    context: { id: 'c', createdAt: input.at },
  })
})

test.each(transitions)('%s: %s leads to %s', (from, type, to, actions) => {
  const next = step(from, type)
  expect(next?.value).toBe(to)
  expect(next?.actions.map((action) => action.type)).toEqual(actions)
})

test('everything else is refused', () => {
  const allowed = new Set(transitions.map(([from, type]) => `${from} ${type}`))
  const refused = states
    .flatMap((from) => events.map(({ type }) => [from, type] as const))
    .filter(([from, type]) => !allowed.has(`${from} ${type}`))
  expect(refused.filter(([from, type]) => step(from, type) !== undefined)).toEqual([])
  expect(refused).toHaveLength(states.length * events.length - transitions.length)
})

test('every state is reached', () => {
  const paths = getShortestPaths(taskMachine, { input, events: [...events], serializeState: ({ value }) => String(value) })
  expect(new Set(paths.map(({ state }) => String(state.value)))).toEqual(new Set(states))
})

test('who it is, when it started and how it ended is kept', () => {
  const created = step('creating', 'created')
  expect(created?.context).toMatchObject({ init: being, monitor: being })
  expect(step('starting', 'started')?.context).toMatchObject({ startedAt: at })
  expect(step('running', 'exited')?.context).toMatchObject({ exitCode: 0, exitedAt: at })
})

test('what could not be removed is what it was: stopped only if it has ended', () => {
  const ended = step('created', 'exited')?.context ?? contextNow
  const failed = { type: 'failed' } as const
  expect(advance(taskMachine, { value: 'removing', context: ended }, failed)?.value).toBe('stopped')
  expect(advance(taskMachine, { value: 'removing', context: contextNow }, failed)?.value).toBe('created')
})

test('nothing has stopped without an exit code', () => {
  const paths = getShortestPaths(taskMachine, {
    input,
    events: [...events],
    serializeState: ({ value, context }) => `${value} ${context.exitCode}`,
  })
  const stopped = paths.filter(({ state }) => state.value === 'stopped')
  expect(stopped.map(({ state }) => state.context.exitCode)).toEqual([0])
})
