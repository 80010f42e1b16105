import { expect, test } from 'vitest'
import { beside } from '../../../actors/scrub/beside.ts'

const { signal } = new AbortController()

async function* numbers(count: number, taken: number[] = []): AsyncGenerator<number> {
  for (let n = 0; n < count; n++) {
    taken.push(n)
    yield n
  }
}

test('everything is answered, as many at once as there is room for', async () => {
  let [running, most] = [0, 0]
  const work = async (n: number) => {
    most = Math.max(most, ++running)
    await new Promise((resolve) => setImmediate(resolve))
    running--
    return n * 2
  }
  const answers = await Array.fromAsync(beside(numbers(20), work, { atOnce: 3, signal }))
  expect(answers.toSorted((a, b) => a - b)).toEqual(Array.from({ length: 20 }, (_, n) => n * 2))
  expect(most).toBe(3)
})

test('who is done first is told first, and things are taken when there is room', async () => {
  const slow = Promise.withResolvers<string>()
  const taken: number[] = []
  const work = (n: number) => (n === 0 ? slow.promise : Promise.resolve(`${n}`))
  const answers = beside(numbers(100, taken), work, { atOnce: 2, signal })
  expect((await answers.next()).value).toBe('1')
  expect(taken).toEqual([0, 1])
  expect((await answers.next()).value).toBe('2')
  slow.resolve('0')
  expect(await Array.fromAsync(answers)).toContain('0')
})

test('a failure ends it, and what is under way is told and waited for', async () => {
  const told: boolean[] = []
  const work = async (n: number, options: { signal: AbortSignal }) => {
    if (n === 1) throw new Error('enough')
    await new Promise((resolve) => options.signal.addEventListener('abort', resolve))
    told.push(options.signal.aborted)
    return n
  }
  await expect(Array.fromAsync(beside(numbers(9), work, { atOnce: 3, signal }))).rejects.toThrow('enough')
  expect(told).toEqual([true, true])
})

test('leaving early ends it as well', async () => {
  let ended = 0
  const work = async (n: number, options: { signal: AbortSignal }) => {
    if (n > 0) await new Promise((resolve) => options.signal.addEventListener('abort', resolve))
    ended++
    return n
  }
  for await (const answer of beside(numbers(9), work, { atOnce: 3, signal })) {
    expect(answer).toBe(0)
    break
  }
  expect(ended).toBe(3)
})
