import { expect, test } from 'vitest'
import { leastBusy } from '../../../actors/unpack/dispatch.ts'

async function* once(name: string): AsyncGenerator<string> {
  yield name
}

async function first(items: AsyncGenerator<string>): Promise<string> {
  return (await items.next()).value
}

test('work goes to who has least, and among equals in turn', async () => {
  const asked = leastBusy(['a', 'b', 'c'])
  const running = [asked(once), asked(once), asked(once), asked(once)]
  expect([
    await first(running[0] as AsyncGenerator<string>),
    await first(running[1] as AsyncGenerator<string>),
    await first(running[2] as AsyncGenerator<string>),
  ]).toEqual(['a', 'b', 'c'])
  await running[1]?.return(undefined)
  expect(await first(running[3] as AsyncGenerator<string>)).toBe('b')
})

test('who failed is free again', async () => {
  const asked = leastBusy(['a', 'b'])
  const long = asked(once)
  expect(await first(long)).toBe('a')
  // biome-ignore lint/correctness/useYield: it fails before
  const failing = asked(async function* (): AsyncGenerator<string> {
    throw new Error('broken')
  })
  await expect(failing.next()).rejects.toThrow('broken')
  expect(await first(asked(once))).toBe('b')
})
