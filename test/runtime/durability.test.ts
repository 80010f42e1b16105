import { expect, test, vi } from 'vitest'
import { openDurability } from '../../runtime/durability.ts'

/** A disk that is written to when the test says so. */
function disk() {
  const done: (readonly string[])[] = []
  const waiting: PromiseWithResolvers<void>[] = []
  const complaints: string[] = []
  const log = { debug: () => {}, info: () => {}, warn: (_: object, message: string) => void complaints.push(message), error: () => {} }
  const durability = openDurability(
    {
      log,
      sync: () => {
        const wait = Promise.withResolvers<void>()
        waiting.push(wait)
        return wait.promise
      },
      record: async (names) => void done.push(names),
    },
    { what: 'things', delayMs: 1 },
  )
  return { durability, done, waiting, complaints }
}

test('one sync covers all that is owed when it begins, and no more', async () => {
  const { durability, done, waiting } = disk()
  await using _durability = durability
  durability.owe(['a', 'b'])
  const first = durability.settled()
  await vi.waitFor(() => expect(waiting).toHaveLength(1))
  durability.owe(['c'])
  waiting[0]?.resolve()
  await first
  expect(done).toEqual([['a', 'b']])
  const second = durability.settled()
  await vi.waitFor(() => expect(waiting).toHaveLength(2))
  waiting[1]?.resolve()
  await second
  expect(done).toEqual([['a', 'b'], ['c']])
})

test('it begins by itself', async () => {
  const { durability, done, waiting } = disk()
  await using _durability = durability
  durability.owe(['a'])
  await vi.waitFor(() => expect(waiting).toHaveLength(1))
  waiting[0]?.resolve()
  await vi.waitFor(() => expect(done).toEqual([['a']]))
})

test('what a failed sync owed is owed to the next', async () => {
  const { durability, done, waiting, complaints } = disk()
  await using _durability = durability
  durability.owe(['a'])
  await vi.waitFor(() => expect(waiting).toHaveLength(1))
  waiting[0]?.reject(new Error('the disk is gone'))
  await vi.waitFor(() => expect(waiting).toHaveLength(2))
  expect(done).toEqual([])
  expect(complaints).toEqual(['make things durable'])
  waiting[1]?.resolve()
  await vi.waitFor(() => expect(done).toEqual([['a']]))
})

test('closing waits for the sync at work and begins none', async () => {
  const { durability, done, waiting } = disk()
  durability.owe(['a'])
  await vi.waitFor(() => expect(waiting).toHaveLength(1))
  durability.owe(['b'])
  const closed = durability[Symbol.asyncDispose]()
  waiting[0]?.resolve()
  await closed
  expect(done).toEqual([['a']])
  expect(waiting).toHaveLength(1)
})

test('it begins when nothing new is owed for a while, and does not put that off for ever', async () => {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'performance'] })
  try {
    let syncs = 0
    const log = { debug: () => {}, info: () => {}, warn: () => {}, error: () => {} }
    const sync = async () => void syncs++
    await using durability = openDurability({ log, sync, record: async () => {} }, { what: 'things', delayMs: 100, mostMs: 250 })
    durability.owe(['a'])
    await vi.advanceTimersByTimeAsync(90)
    durability.owe(['b'])
    await vi.advanceTimersByTimeAsync(90)
    expect(syncs).toBe(0)
    durability.owe(['c'])
    await vi.advanceTimersByTimeAsync(80)
    expect(syncs).toBe(1)
  } finally {
    vi.useRealTimers()
  }
})
