import { appendFile, open, truncate } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { openSlices, type Slices } from '../../../actors/ingest/slices.ts'
import { openTail } from '../../../actors/ingest/tail.ts'
import { digestOf } from '../../support/content.ts'
import { tempDirectory } from '../../support/temp.ts'

const never = new AbortController().signal
const bytes = Buffer.from(Uint8Array.from({ length: 100_000 }, (_, i) => (i * 7) & 0xff))

/** A file that has `length` of the bytes, and slices small enough to need many. */
async function growing(length: number) {
  await using stack = new AsyncDisposableStack()
  const path = join(stack.use(await tempDirectory()).path, 'data')
  await appendFile(path, bytes.subarray(0, length))
  const file = stack.use(await open(path, 'r'))
  const scope = stack.move()
  return { path, file, slices: openSlices({ pairs: 2, bytes: 1_000 }), [Symbol.asyncDispose]: () => scope.disposeAsync() }
}

const hexOf = (of: Uint8Array) => digestOf(of).slice('sha256:'.length)

test('hashes what was there and what comes, whatever the steps', async () => {
  await using on = await growing(12_345)
  await using tail = openTail(on.file, 'sha256', on)
  tail.reach(12_345)
  for (const [from, to] of [
    [12_345, 12_346],
    [12_346, 50_000],
    [50_000, 50_000],
    [50_000, 100_000],
  ] as const) {
    await appendFile(on.path, bytes.subarray(from, to))
    tail.reach(to)
  }
  expect(await tail.finish(100_000, { signal: never })).toBe(hexOf(bytes))
  expect(await tail.finish(100_000, { signal: never })).toBe(hexOf(bytes))
})

test('hashes an empty file', async () => {
  await using on = await growing(0)
  await using tail = openTail(on.file, 'sha512', on)
  expect(await tail.finish(0, { signal: never })).toBe(digestOf('', 'sha512').slice('sha512:'.length))
})

test('shares few buffers among many files', async () => {
  let lent = 0
  let most = 0
  const { bytes: size, lend } = openSlices({ pairs: 3, bytes: 1_000 })
  const counted: Slices = {
    bytes: size,
    lend: (work, options) =>
      lend(async (pair) => {
        most = Math.max(most, ++lent)
        return await work(pair).finally(() => lent--)
      }, options),
  }
  await using on = await growing(100_000)
  await using stack = new AsyncDisposableStack()
  const tails = Array.from({ length: 20 }, () => stack.use(openTail(on.file, 'sha256', { slices: counted })))
  for (const tail of tails) tail.reach(100_000)
  const hexes = await Promise.all(tails.map((tail) => tail.finish(100_000, { signal: never })))
  expect(new Set(hexes)).toEqual(new Set([hexOf(bytes)]))
  expect(most).toBe(3)
})

test('tells of a file that is shorter than was said', async () => {
  await using on = await growing(5_000)
  await using tail = openTail(on.file, 'sha256', on)
  tail.reach(9_000)
  await expect(tail.finish(9_000, { signal: never })).rejects.toMatchObject({ code: 'data_loss' })
})

test('tells of a file that became shorter than what was hashed', async () => {
  await using on = await growing(5_000)
  await using tail = openTail(on.file, 'sha256', on)
  expect(await tail.finish(5_000, { signal: never })).toBe(hexOf(bytes.subarray(0, 5_000)))
  await truncate(on.path, 10)
  await expect(tail.finish(10, { signal: never })).rejects.toMatchObject({ code: 'data_loss' })
})

test('does not read again what it was fed, and reads what it was not', async () => {
  await using on = await growing(100_000)
  let read = 0
  const file = {
    fd: -1, // good for no reading behind its back
    read: (...where: Parameters<typeof on.file.read>) => {
      read += 1
      return on.file.read(...where)
    },
  } as unknown as Parameters<typeof openTail>[0]
  await using fed = openTail(file, 'sha256', on)
  expect([0, 40_000, 40_000].map((at) => fed.feed(at, bytes.subarray(at, at + 40_000)))).toEqual([true, true, false])
  expect(fed.feed(80_000, bytes.subarray(80_000))).toBe(true)
  fed.reach(100_000)
  expect(await fed.finish(100_000, { signal: never })).toBe(hexOf(bytes))
  expect(read).toBe(0)
  await using later = openTail(on.file, 'sha256', on)
  later.reach(60_000)
  expect(later.feed(60_000, bytes.subarray(60_000))).toBe(false)
  later.reach(100_000)
  expect(await later.finish(100_000, { signal: never })).toBe(hexOf(bytes))
})

test('gives up when told to', async () => {
  await using on = await growing(100_000)
  await using tail = openTail(on.file, 'sha256', on)
  await expect(tail.finish(100_000, { signal: AbortSignal.abort() })).rejects.toMatchObject({ code: 'cancelled' })
})

test('stops when it is disposed', async () => {
  await using on = await growing(100_000)
  const tail = openTail(on.file, 'sha256', on)
  tail.reach(100_000)
  await tail[Symbol.asyncDispose]()
  await expect(tail.finish(100_000, { signal: never })).rejects.toMatchObject({ name: 'AbortError' })
})
