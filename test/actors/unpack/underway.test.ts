import { expect, test } from 'vitest'
import { watching } from '../../../actors/unpack/underway.ts'

test('what is under way is listed from its beginning to its end, as far as it is, oldest first', async () => {
  const { list, watch } = watching()
  async function* feed() {
    yield { offset: 1, written: 2, entries: 3 }
    yield { offset: 4, written: 5, entries: 6 }
  }
  const one = watch({ kind: 'apply', label: 'one', size: 9 }, feed())
  const other = watch({ kind: 'compare', label: 'other' }, feed())
  expect(list()).toEqual([])
  await one.next()
  await other.next()
  await one.next()
  const startedAt = expect.stringMatching(/Z$/)
  expect(list()).toEqual([
    { kind: 'apply', label: 'one', size: 9, offset: 4, written: 5, entries: 6, startedAt },
    { kind: 'compare', label: 'other', offset: 1, written: 2, entries: 3, startedAt },
  ])
  await one.next()
  expect(list().map(({ label }) => label)).toEqual(['other'])
  await other.return(undefined)
  expect(list()).toEqual([])
})

test('what fails is not under way any more', async () => {
  const { list, watch } = watching()
  const failing = watch(
    { kind: 'apply', label: 'one' },
    // biome-ignore lint/correctness/useYield: it fails first
    (async function* () {
      throw new Error('no')
    })(),
  )
  await expect(failing.next()).rejects.toThrow('no')
  expect(list()).toEqual([])
})
