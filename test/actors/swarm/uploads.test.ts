import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { openUploads } from '../../../actors/swarm/uploads.ts'

const { signal } = new AbortController()
const bytes = new Uint8Array(1)

beforeEach(() => void vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'performance'] }))
afterEach(() => void vi.useRealTimers())

test('no more than a few are at work at once, who came first goes first, and all have their turn', async () => {
  const uploads = openUploads({ now: () => performance.now() })
  const order: number[] = []
  let atWork = 0
  let most = 0
  const work = (index: number) => async () => {
    most = Math.max(most, ++atWork)
    order.push(index)
    await Promise.resolve()
    atWork--
    return bytes
  }
  await Promise.all(Array.from({ length: 1_000 }, (_, index) => uploads.give(1, work(index), { signal })))
  expect(most).toBe(16)
  expect(order).toEqual(Array.from({ length: 1_000 }, (_, index) => index))
})

test('so many bytes a second are given, and no more', async () => {
  const uploads = openUploads({ perSecond: 1_000, now: () => performance.now() })
  let given = 0
  const give = async () => {
    given++
    return bytes
  }
  const all = Promise.all(Array.from({ length: 50 }, () => uploads.give(100, give, { signal })))
  await vi.advanceTimersByTimeAsync(0)
  expect(given).toBe(1)
  await vi.advanceTimersByTimeAsync(1_000)
  expect(given).toBe(11)
  await vi.advanceTimersByTimeAsync(4_000)
  await all
  // What was not used up is not saved up.
  await vi.advanceTimersByTimeAsync(60_000)
  given = 0
  const more = Promise.all(Array.from({ length: 3 }, () => uploads.give(1_000, give, { signal })))
  await vi.advanceTimersByTimeAsync(999)
  expect(given).toBe(1)
  await vi.advanceTimersByTimeAsync(2_000)
  await more
})

test('who would be one too many is told that it is busy', async () => {
  const uploads = openUploads({ now: () => performance.now() })
  const leaving = new AbortController()
  const waiting = Array.from({ length: 4096 }, () =>
    uploads.give(
      1,
      () => new Promise<never>((_, reject) => leaving.signal.addEventListener('abort', () => reject(leaving.signal.reason))),
      {
        signal: leaving.signal,
      },
    ),
  )
  await expect(uploads.give(1, async () => bytes, { signal })).rejects.toMatchObject({ code: 'resource_exhausted' })
  leaving.abort(new Error('enough'))
  expect((await Promise.allSettled(waiting)).every(({ status }) => status === 'rejected')).toBe(true)
  expect(await uploads.give(1, async () => bytes, { signal })).toBe(bytes)
})

test('who waits for its turn gives up when told to', async () => {
  const uploads = openUploads({ perSecond: 1, now: () => performance.now() })
  await uploads.give(1_000, async () => bytes, { signal })
  const leaving = new AbortController()
  const waiting = uploads.give(1, async () => bytes, { signal: leaving.signal })
  leaving.abort(new Error('enough'))
  await expect(waiting).rejects.toThrow('enough')
})
