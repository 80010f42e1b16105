import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { openAlarm } from '../../runtime/alarm.ts'

beforeEach(() => void vi.useFakeTimers({ now: Date.parse('2026-01-01T00:00:00.000Z') }))
afterEach(() => void vi.useRealTimers())

const now = () => new Date().toISOString()
const at = (ms: number) => new Date(Date.now() + ms).toISOString()

test('it rings once, at the earliest of the times it is set to', () => {
  const ring = vi.fn()
  const alarm = openAlarm({ now, ring })
  alarm.by(at(300))
  alarm.by(at(100))
  alarm.by(at(200))
  vi.advanceTimersByTime(99)
  expect(ring).not.toHaveBeenCalled()
  vi.advanceTimersByTime(1000)
  expect(ring).toHaveBeenCalledTimes(1)
  alarm.by(at(-5))
  vi.advanceTimersByTime(1)
  expect(ring).toHaveBeenCalledTimes(2)
})

test('it waits longer than a timer can', () => {
  const ring = vi.fn()
  openAlarm({ now, ring }).by(at(100 * 86_400_000))
  vi.advanceTimersByTime(100 * 86_400_000 - 1)
  expect(ring).not.toHaveBeenCalled()
  vi.advanceTimersByTime(1)
  expect(ring).toHaveBeenCalledTimes(1)
})

test('it does not ring too early when the clock is set back', () => {
  const ring = vi.fn()
  openAlarm({ now, ring }).by(at(1000))
  vi.setSystemTime(Date.now() - 500)
  vi.advanceTimersByTime(1499)
  expect(ring).not.toHaveBeenCalled()
  vi.advanceTimersByTime(1)
  expect(ring).toHaveBeenCalledTimes(1)
})

test('it may be set to another time by what it rings', () => {
  const ring = vi.fn(() => (ring.mock.calls.length < 3 ? alarm.by(at(10)) : undefined))
  const alarm = openAlarm({ now, ring })
  alarm.by(at(10))
  vi.advanceTimersByTime(100)
  expect(ring).toHaveBeenCalledTimes(3)
})

test('disposed it does not ring', () => {
  const ring = vi.fn()
  const alarm = openAlarm({ now, ring })
  alarm.by(at(10))
  alarm[Symbol.dispose]()
  alarm.by(at(10))
  vi.advanceTimersByTime(100)
  expect(ring).not.toHaveBeenCalled()
})
