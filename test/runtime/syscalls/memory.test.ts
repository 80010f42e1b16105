import { expect, test } from 'vitest'
import { shareHeaps } from '../../../runtime/syscalls/index.ts'

test('the C library takes a bound for its heaps', () => {
  expect(shareHeaps(2)).toBe(true)
})
