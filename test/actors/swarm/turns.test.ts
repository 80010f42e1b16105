import { expect, test } from 'vitest'
import { openTurns } from '../../../actors/swarm/turns.ts'

test('there are so many turns, and who found none is told once when there is one', () => {
  const turns = openTurns(2)
  const told: string[] = []
  const first = turns.begin(() => told.push('never'))
  const second = turns.begin(() => told.push('never'))
  expect(turns.begin(() => told.push('one'))).toBeUndefined()
  expect(turns.begin(() => told.push('two'))).toBeUndefined()
  expect(told).toEqual([])
  first?.()
  expect(told).toEqual(['one', 'two'])
  expect(turns.begin(() => {})).toBeTypeOf('function')
  second?.()
  expect(told).toEqual(['one', 'two'])
})

test('who is told may begin at once', () => {
  const turns = openTurns(1)
  const over = turns.begin(() => {})
  let mine: (() => void) | undefined
  turns.begin(() => {
    mine = turns.begin(() => {})
  })
  over?.()
  expect(mine).toBeTypeOf('function')
  expect(turns.begin(() => {})).toBeUndefined()
})
