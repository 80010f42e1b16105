import { expect, test } from 'vitest'
import { type Code, Failure, failures } from '../../messages/grammar/index.ts'
import { retry } from '../../runtime/retry.ts'

/** Fails with each of the codes in turn, then succeeds. */
function failing(...codes: Code[]) {
  let tried = 0
  const work = async () => {
    const code = codes[tried++]
    if (code) throw new Failure(code, `try ${tried}`)
    return tried
  }
  return { work, tried: () => tried }
}

test('what may mend itself is tried again until it works', async () => {
  const { work } = failing('unavailable', 'deadline_exceeded', 'resource_exhausted')
  expect(await retry(work, { firstMs: 1 })).toBe(4)
})

test('the last failure stands when it has been tried often enough', async () => {
  const { work, tried } = failing('unavailable', 'unavailable', 'unavailable')
  await expect(retry(work, { tries: 2, firstMs: 1 })).rejects.toMatchObject({ message: 'try 2' })
  expect(tried()).toBe(2)
})

test.each(Object.entries(failures).filter(([, { retry }]) => !retry))('%s is not tried again', async (code) => {
  const { work, tried } = failing(code as Code)
  await expect(retry(work)).rejects.toMatchObject({ code })
  expect(tried()).toBe(1)
})

test('an error that is no failure stays what it is', async () => {
  const error = new Error('a bug')
  await expect(retry(() => Promise.reject(error))).rejects.toBe(error)
})

test('pauses are random below a bound that doubles, and as long as was asked', async () => {
  const pauses: number[] = []
  let tried = 0
  const work = async () => {
    tried += 1
    if (tried === 4) throw new Failure('resource_exhausted', 'too many', { details: { retryAfterMs: 30 } })
    if (tried < 6) throw new Failure('unavailable', 'not yet')
  }
  await retry(work, { tries: 10, firstMs: 4, mostMs: 10, onRetry: (_, pause) => pauses.push(pause) })
  expect(pauses.length).toBe(5)
  for (const [i, bound] of [4, 8, 10].entries()) expect(pauses[i]).toBeLessThanOrEqual(bound)
  expect(pauses[3]).toBe(30)
  expect(pauses[4]).toBeLessThanOrEqual(10)
})

test('nobody waits an hour because a server said so', async () => {
  const asked = new Failure('resource_exhausted', 'come back later', { details: { retryAfterMs: 3_600_000 } })
  await expect(retry(() => Promise.reject(asked))).rejects.toBe(asked)
})

test('gives up when told to, before and between tries', async () => {
  let tried = 0
  const work = async () => {
    tried += 1
    throw new Failure('unavailable', 'no')
  }
  await expect(retry(work, { signal: AbortSignal.abort() })).rejects.toMatchObject({ name: 'AbortError' })
  expect(tried).toBe(0)
  const stop = new AbortController()
  const why = new Failure('cancelled', 'enough')
  await expect(retry(work, { signal: stop.signal, firstMs: 1e9, mostMs: 1e9, onRetry: () => stop.abort(why) })).rejects.toBe(why)
  expect(tried).toBe(1)
})
