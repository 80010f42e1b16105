import { expect, test } from 'vitest'
import { legal, life, paths, statesOf } from '../../support/machines.ts'
import { type DoorEvent, doorMachine } from './door.ts'

const events: DoorEvent[] = [
  { type: 'open', by: 'me' },
  { type: 'opened' },
  { type: 'failed' },
  { type: 'close' },
  { type: 'paint', colour: 'blue' },
  { type: 'remove' },
]
const door = { machine: doorMachine, inputs: [{ colour: 'red' }], events }

test('every state of the door can be reached', () => {
  expect(Object.keys(paths(door))).toEqual(statesOf(doorMachine))
  expect(paths(door)['open']).toEqual(['open', 'opened'])
})

test('the door takes these events and no others', () => {
  expect(legal(door)).toEqual({
    closed: ['open', 'paint', 'remove'],
    open: ['close'],
    opening: ['failed', 'opened'],
    removed: [],
  })
})

test('the effects of the door are data', () => {
  expect(
    life(doorMachine, { colour: 'red' }, [{ type: 'open', by: 'me' }, { type: 'opened' }, { type: 'close' }, { type: 'remove' }]),
  ).toEqual([
    ['closed', ['hang']],
    ['opening', [{ type: 'turnKey', params: { by: 'me' } }]],
    ['open', ['announceOpen', 'creak']],
    ['closed', []],
    ['removed', ['unhang']],
  ])
})
