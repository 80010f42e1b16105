import { describe, expect, test } from 'vitest'
import { pace } from '../../runtime/pace.ts'

const unexpected = (error: unknown) => {
  throw error
}

describe('a pace', () => {
  test('tells after a step, and the rest in the end', async () => {
    const told: number[] = []
    const at = pace({ tell: async (offset) => void told.push(offset), failed: unexpected }, { step: 10, intervalMs: 3_600_000 })
    for (const offset of [0, 4, 8, 12, 13, 14]) {
      at.reached(offset)
      await Promise.resolve()
    }
    await at.settle()
    expect(told).toEqual([12, 14])
  })

  test('tells after a while when there is anything', async () => {
    const told = Promise.withResolvers<number>()
    const at = pace({ tell: async (offset) => told.resolve(offset), failed: unexpected }, { step: 1000, intervalMs: 1 })
    at.reached(3)
    expect(await told.promise).toBe(3)
    await at.settle()
  })

  test('never tells two at once', async () => {
    const told: number[] = []
    let telling = 0
    const tell = async (offset: number) => {
      expect(telling++).toBe(0)
      await new Promise(setImmediate)
      told.push(offset)
      telling--
    }
    const at = pace({ tell, failed: unexpected }, { step: 1, intervalMs: 1 })
    for (let offset = 0; offset <= 20; offset++) at.reached(offset)
    await at.settle()
    expect(told.at(-1)).toBe(20)
    expect(told.length).toBeLessThan(4)
  })

  test('tells nothing more once telling failed', async () => {
    const failures: unknown[] = []
    const why = new Error('no')
    const tell = async () => {
      throw why
    }
    const at = pace({ tell, failed: (error) => failures.push(error) }, { step: 1, intervalMs: 1 })
    at.reached(5)
    await at.settle()
    at.reached(500)
    await at.settle()
    expect(failures).toEqual([why])
  })
})
