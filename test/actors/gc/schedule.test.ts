import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import type { Collected } from '../../../actors/gc/collect.ts'
import { openSchedule } from '../../../actors/gc/schedule.ts'

beforeEach(() => void vi.useFakeTimers({ now: Date.parse('2026-01-01T00:00:00.000Z') }))
afterEach(() => void vi.useRealTimers())

const nothing: Collected = { collected: 0, freed: 0, spared: 0, failed: [], next: undefined }
const silent = { debug: () => {}, info: () => {}, warn: () => {}, error: () => {} }
const minute = 60_000

/** A schedule, and how often it ran. Each run is as `result` says. */
function scheduled(result: () => Promise<Collected> | Collected = () => nothing) {
  const run = vi.fn(async () => await result())
  return { run, ...openSchedule({ run, now: () => new Date().toISOString(), log: silent }, { delayMs: 1000, graceMs: 60 * minute }) }
}

test('runs some time after something was let go of, once for all that was meanwhile', async () => {
  const { run, soon } = scheduled()
  await vi.advanceTimersByTimeAsync(minute)
  expect(run).not.toHaveBeenCalled()
  soon()
  await vi.advanceTimersByTimeAsync(900)
  soon()
  await vi.advanceTimersByTimeAsync(100)
  expect(run).toHaveBeenCalledTimes(1)
  await vi.advanceTimersByTimeAsync(minute)
  expect(run).toHaveBeenCalledTimes(1)
  soon()
  await vi.advanceTimersByTimeAsync(1000)
  expect(run).toHaveBeenCalledTimes(2)
})

test('runs when what was made under no lease has been kept long enough', async () => {
  const { run, later } = scheduled()
  later()
  await vi.advanceTimersByTimeAsync(60 * minute)
  expect(run).not.toHaveBeenCalled()
  await vi.advanceTimersByTimeAsync(1000)
  expect(run).toHaveBeenCalledTimes(1)
})

test('runs when the first thing that is left will be needed no more, be it in months', async () => {
  const ends = ['2026-01-01T00:10:00.000Z', '2026-06-01T00:00:00.000Z']
  const { run, soon } = scheduled(() => ({ ...nothing, next: ends.shift() }))
  soon()
  await vi.advanceTimersByTimeAsync(10 * minute)
  expect(run).toHaveBeenCalledTimes(2)
  await vi.advanceTimersByTimeAsync(Date.parse('2026-05-31T23:59:59.999Z') - Date.now())
  expect(run).toHaveBeenCalledTimes(2)
  await vi.advanceTimersByTimeAsync(1)
  expect(run).toHaveBeenCalledTimes(3)
})

test('tries again what could not be collected, and a run that failed, after a while', async () => {
  const results = [
    () => ({ ...nothing, failed: [{ kind: 'content' as const, key: 'a', why: 'busy' }] }),
    () => Promise.reject(new Error('no disk')),
  ]
  const { run, soon } = scheduled(() => results.shift()?.() ?? nothing)
  soon()
  await vi.advanceTimersByTimeAsync(1000)
  expect(run).toHaveBeenCalledTimes(1)
  await vi.advanceTimersByTimeAsync(minute)
  expect(run).toHaveBeenCalledTimes(2)
  await vi.advanceTimersByTimeAsync(minute)
  expect(run).toHaveBeenCalledTimes(3)
  await vi.advanceTimersByTimeAsync(60 * minute)
  expect(run).toHaveBeenCalledTimes(3)
})

test('rests after a long run', async () => {
  const { run, soon } = scheduled(async () => {
    await vi.advanceTimersByTimeAsync(1000)
    return nothing
  })
  soon()
  await vi.advanceTimersByTimeAsync(1000)
  soon()
  await vi.advanceTimersByTimeAsync(19_000)
  expect(run).toHaveBeenCalledTimes(1)
  await vi.advanceTimersByTimeAsync(2_000)
  expect(run).toHaveBeenCalledTimes(2)
})

test('gives up when told to', async () => {
  const { run, soon, [Symbol.dispose]: dispose } = scheduled()
  soon()
  dispose()
  await vi.advanceTimersByTimeAsync(minute)
  expect(run).not.toHaveBeenCalled()
})
