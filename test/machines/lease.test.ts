import { expect, test } from 'vitest'
import { type LeaseEvent, leaseMachine } from '../../machines/lease.ts'
import { legal, life, paths, statesOf } from '../support/machines.ts'

const [early, middle, late] = ['2026-01-01T00:00:00.000Z', '2026-01-02T00:00:00.000Z', '2026-01-03T00:00:00.000Z']
const input = { createdAt: early, expiresAt: middle, labels: {} }
const renew: LeaseEvent = { type: 'renew', expiresAt: late, at: early }
const expire: LeaseEvent = { type: 'expire', at: late }
const remove: LeaseEvent = { type: 'remove' }
const specimen = { machine: leaseMachine, inputs: [input], events: [renew, expire, remove] }

test('every state is reached, and a lease that has ended takes nothing', () => {
  expect(Object.keys(paths(specimen))).toEqual(statesOf(leaseMachine))
  expect(legal(specimen)).toEqual({ active: ['expire', 'remove', 'renew'], ended: [] })
})

test('it says that it began, was renewed and ended, and why', () => {
  const removed = (why: string) => ({ type: 'tellRemoved', params: { why } })
  expect(life(leaseMachine, input, [renew, remove])).toEqual([
    ['active', ['tellCreated']],
    ['active', ['tellRenewed']],
    ['ended', [removed('removed')]],
  ])
  expect(life(leaseMachine, input, [expire]).at(-1)).toEqual(['ended', [removed('expired')]])
})

test('it does not expire before its time, and is not renewed after it', () => {
  const takes = (from: typeof input | Omit<typeof input, 'expiresAt'>, event: LeaseEvent) =>
    legal({ machine: leaseMachine, inputs: [from], events: [event] }).active
  expect(takes(input, { type: 'expire', at: early })).toEqual([])
  expect(takes(input, { type: 'renew', expiresAt: late, at: middle })).toEqual([])
  expect(takes({ createdAt: early, labels: {} }, { type: 'expire', at: late })).toEqual([])
})

test('renewed it ends at the other time, or never', () => {
  expect(life(leaseMachine, input, [renew, { type: 'expire', at: middle }]).at(-1)).toEqual(['active', []])
  expect(
    life(leaseMachine, input, [
      { ...renew, expiresAt: undefined },
      { type: 'expire', at: late },
    ]).at(-1),
  ).toEqual(['active', []])
})
