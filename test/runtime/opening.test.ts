import { expect, test } from 'vitest'
import { openOpening } from '../../runtime/opening.ts'
import { tempDirectory } from '../support/temp.ts'

/** Two who have the same tables. */
async function two() {
  const stack = new AsyncDisposableStack()
  const { path } = stack.use(await tempDirectory())
  const [one, other] = [stack.use(await openOpening(path)), stack.use(await openOpening(path))]
  return { one, other, [Symbol.asyncDispose]: () => stack.disposeAsync() }
}

test('any number write at once, and nobody waits', async () => {
  await using it = await two()
  expect([it.one.enter(), it.one.enter(), it.other.enter()]).toEqual([undefined, undefined, undefined])
  for (const who of [it.one, it.one, it.other]) who.leave()
})

test('who opens waits for those who write, and who asks to write meanwhile comes after, in the order asked', async () => {
  await using it = await two()
  const order: string[] = []
  expect([it.one.enter(), it.one.enter()]).toEqual([undefined, undefined])
  const opened = it.other.alone(() => void order.push('open'))
  // Who opens has the passage now: nobody goes in, though others are inside.
  const later = ['first', 'second'].map(async (name) => {
    await it.one.enter()
    order.push(name)
  })
  it.one.leave()
  expect(order).toEqual([])
  it.one.leave()
  await Promise.all([opened, ...later])
  expect(order).toEqual(['open', 'first', 'second'])
  it.one.leave()
  it.one.leave()
})

test('who fails to open holds nobody up', async () => {
  await using it = await two()
  const opened = it.one.alone(() => {
    throw new Error('no')
  })
  await expect(opened).rejects.toThrow('no')
  expect(it.other.enter()).toBeUndefined()
  it.other.leave()
})
