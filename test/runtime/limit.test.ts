import { setImmediate } from 'node:timers/promises'
import { describe, expect, test } from 'vitest'
import { limit } from '../../runtime/limit.ts'

const signal = new AbortController().signal

describe('a limit', () => {
  test('lets so many run at once, the rest in the order they came', async () => {
    const two = limit(2)
    const began: number[] = []
    const gates = [0, 1, 2, 3].map(() => Promise.withResolvers<void>())
    const works = gates.map(({ promise }, i) =>
      two(
        () => {
          began.push(i)
          return promise
        },
        { signal },
      ),
    )
    await setImmediate()
    expect(began).toEqual([0, 1])
    gates[1]?.resolve()
    await works[1]
    await setImmediate()
    expect(began).toEqual([0, 1, 2])
    for (const gate of gates) gate.resolve()
    await Promise.all(works)
    expect(began).toEqual([0, 1, 2, 3])
  })

  test('gives the room of a work that failed to the next', async () => {
    const one = limit(1)
    await expect(one(() => Promise.reject(new Error('no')), { signal })).rejects.toThrow('no')
    expect(await one(async () => 'yes', { signal })).toBe('yes')
  })

  test('lets who waits give up, and keeps no room for them', async () => {
    const one = limit(1)
    const gate = Promise.withResolvers<void>()
    const first = one(() => gate.promise, { signal })
    const control = new AbortController()
    const second = one(async () => 'never', { signal: control.signal })
    control.abort(new Error('enough'))
    await expect(second).rejects.toThrow('enough')
    gate.resolve()
    await first
    expect(await one(async () => 'third', { signal })).toBe('third')
  })
})
