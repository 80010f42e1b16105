import { expect, test } from 'vitest'
import { openRuns } from '../../../actors/gc/runs.ts'

/** Runs that end when told to, each with its number. */
function byHand() {
  const ends: PromiseWithResolvers<void>[] = []
  const signals: AbortSignal[] = []
  const runs = openRuns(async ({ signal }) => {
    const end = Promise.withResolvers<void>()
    signals.push(signal)
    const number = ends.push(end)
    await end.promise
    return number
  })
  return { runs, ends, signals }
}

test('who asks while one is under way is answered by the next, all by the same', async () => {
  const { runs, ends } = byHand()
  const first = runs.ask()
  const [second, third] = [runs.ask(), runs.ask()]
  expect(ends).toHaveLength(1)
  ends[0]?.resolve()
  expect(await first).toBe(1)
  await expect.poll(() => ends.length).toBe(2)
  const fourth = runs.ask()
  ends[1]?.resolve()
  expect(await Promise.all([second, third])).toEqual([2, 2])
  await expect.poll(() => ends.length).toBe(3)
  ends[2]?.resolve()
  expect(await fourth).toBe(3)
})

test('one that fails fails for who asked for it, and the next runs all the same', async () => {
  const { runs, ends } = byHand()
  const first = runs.ask()
  const second = runs.ask()
  ends[0]?.reject(new Error('no disk'))
  await expect(first).rejects.toThrow('no disk')
  await expect.poll(() => ends.length).toBe(2)
  ends[1]?.resolve()
  expect(await second).toBe(2)
})

test('gives up when told to: the one under way is aborted and waited for, none begins after', async () => {
  const { runs, ends, signals } = byHand()
  const first = runs.ask()
  const second = runs.ask().catch((error: unknown) => error)
  const disposed = runs[Symbol.asyncDispose]()
  expect(signals[0]?.aborted).toBe(true)
  ends[0]?.resolve()
  await disposed
  expect(await first).toBe(1)
  expect(await second).toMatchObject({ name: 'AbortError' })
  expect(ends).toHaveLength(1)
})
