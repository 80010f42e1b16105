import { expect, test, vi } from 'vitest'
import { withProgress } from '../../../actors/unpack/progress.ts'

const signal = new AbortController().signal

async function all<T>(items: AsyncIterable<T>): Promise<T[]> {
  const every: T[] = []
  for await (const item of items) every.push(item)
  return every
}

test('reports that come too soon are kept, the latest of them is given when it is time', async () => {
  vi.useFakeTimers()
  try {
    const ending = Promise.withResolvers<string>()
    const work = (report: (n: number) => void): Promise<string> => {
      for (const n of [1, 2, 3]) report(n)
      return ending.promise
    }
    const items = withProgress(work, { everyMs: 100, signal })
    const first = items.next()
    await vi.advanceTimersByTimeAsync(100)
    expect(await first).toEqual({ done: false, value: 3 })
    ending.resolve('over')
    expect(await items.next()).toEqual({ done: false, value: 'over' })
  } finally {
    vi.useRealTimers()
  }
})

test('what was due while nobody listened is given next', async () => {
  vi.useFakeTimers()
  try {
    let report: (n: number) => void = () => {}
    const items = withProgress((given: (n: number) => void) => new Promise<never>(() => void (report = given)), { everyMs: 100, signal })
    const first = items.next()
    report(1)
    await vi.advanceTimersByTimeAsync(100)
    await first
    report(2)
    await vi.advanceTimersByTimeAsync(100)
    report(3)
    expect(await items.next()).toEqual({ done: false, value: 3 })
  } finally {
    vi.useRealTimers()
  }
})

test('a work that says nothing has a result only, one that fails fails', async () => {
  expect(await all(withProgress(async () => 'over', { everyMs: 100, signal }))).toEqual(['over'])
  const failing = withProgress(() => Promise.reject(new Error('broken')), { everyMs: 100, signal })
  await expect(all(failing)).rejects.toThrow('broken')
})

test('gives up when told to, and waits until the work has', async () => {
  const given = new AbortController()
  let over = false
  const work = async (_: unknown, told: AbortSignal): Promise<never> => {
    await new Promise((resolve) => told.addEventListener('abort', resolve))
    over = true
    throw told.reason
  }
  const items = all(withProgress(work, { everyMs: 100, signal: given.signal }))
  given.abort()
  await expect(items).rejects.toThrow('aborted')
  expect(over).toBe(true)
})

test('left early, it tells the work to give up and waits until it has', async () => {
  let over = false
  const work = async (report: (n: number) => void, told: AbortSignal): Promise<never> => {
    report(1)
    await new Promise((resolve) => told.addEventListener('abort', resolve))
    over = true
    throw told.reason
  }
  for await (const item of withProgress(work, { everyMs: 0, signal })) {
    expect(item).toBe(1)
    break
  }
  expect(over).toBe(true)
})
