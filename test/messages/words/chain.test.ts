import { createHash } from 'node:crypto'
import { expect, test } from 'vitest'
import { chainIds } from '../../../messages/words/index.ts'

const digest = (text: string) => `sha256:${createHash('sha256').update(text).digest('hex')}`

test('the chainId of the base is its diffId; each next one hashes the one below, a space and its diffId', () => {
  const [a, b, c] = ['a', 'b', 'c'].map(digest) as [string, string, string]
  const [first, second, third] = chainIds([a, b, c])
  expect(first).toBe(a)
  expect(second).toBe(digest(`${a} ${b}`))
  expect(third).toBe(digest(`${second} ${c}`))
})

test('sha256sum says the same', () => {
  const layer = `sha256:${'0'.repeat(64)}`
  expect(chainIds([layer, layer])[1]).toBe('sha256:1c549100e455eee76a4725b64270b19d7fa7aea704960d46363fffa8732d51b8')
})

test('the same layer twice is two links of the chain, and order matters', () => {
  const [a, b] = ['a', 'b'].map(digest) as [string, string]
  expect(new Set(chainIds([a, a, a])).size).toBe(3)
  expect(chainIds([a, b])[1]).not.toBe(chainIds([b, a])[1])
})

test('no layers, no chain', () => {
  expect(chainIds([])).toEqual([])
})
