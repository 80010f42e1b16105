import { expect, test } from 'vitest'
import type { Answered } from '../../../messages/pull.ts'
import { ageOf, staleness } from '../../../ops/dist/answered.ts'

const known = (ageMs: number, more: Partial<Answered> = {}): Answered => ({
  checkedAt: new Date(Date.now() - ageMs).toISOString(),
  by: 'n2',
  source: 'registry',
  ageMs,
  stale: false,
  ...more,
})

test('of an answer that is new, or cannot grow old, nothing is said', () => {
  expect(ageOf('r/a', known(12))).toBeUndefined()
  expect(ageOf('r/a', known(0, { source: 'digest' }))).toBeUndefined()
})

test('how old an answer is, is said with who asked, or shares the name', () => {
  expect(ageOf('r/a', known(301_000))).toBe('r/a: asked for by n2 5m ago')
  expect(ageOf('r/a', known(0, { source: 'shared' }))).toBe('r/a: shared by n2 now')
})

test('of an answer that is older than was wanted is warned, with why', () => {
  expect(staleness('r/a', known(5_000))).toBeUndefined()
  expect(staleness('r/a', known(7_200_000, { stale: true, why: 'nobody\nlistens' }))).toMatch(
    /^stale: what r\/a stands for was asked for 2h ago: nobody.*listens$/,
  )
})
