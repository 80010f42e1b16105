import { describe, expect, test } from 'vitest'
import { latest } from '../../../actors/fetch/latest.ts'

describe('the latest of many', () => {
  test('a slow reader skips what is between, never the last', async () => {
    const values = latest<number>()
    const read: number[] = []
    const reading = (async () => {
      for await (const value of values) {
        read.push(value)
        if (value === 1) for (const next of [2, 3, 4]) values.set(next)
        if (value === 4) values.end()
      }
    })()
    values.set(1)
    await reading
    expect(read).toEqual([1, 4])
  })

  test('an error comes after the last value', async () => {
    const values = latest<number>()
    values.set(7)
    values.end(new Error('over'))
    const reader = values[Symbol.asyncIterator]()
    expect(await reader.next()).toEqual({ value: 7, done: false })
    await expect(reader.next()).rejects.toThrow('over')
  })
})
