import { expect, test, vi } from 'vitest'
import { openPace } from '../../../actors/ingest/pace.ts'

test('works not before its time, then at most so often, the last always', () => {
  vi.useFakeTimers()
  try {
    const worked: number[] = []
    let now = 0
    using pace = openPace(100, () => worked.push(now))
    for (now = 0; now < 250; now += 10) {
      pace.wake()
      vi.advanceTimersByTime(10)
    }
    vi.advanceTimersByTime(1_000)
    expect(worked).toEqual([90, 190, 250])
  } finally {
    vi.useRealTimers()
  }
})
