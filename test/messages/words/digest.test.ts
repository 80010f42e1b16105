import { expect, test } from 'vitest'
import { Digest, digestParts, digestToken, isDigest } from '../../../messages/words/index.ts'

const hex = 'e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855'

test.each([`sha256:${hex}`, `sha384:${'a'.repeat(96)}`, `sha512:${'0'.repeat(128)}`])('%s is a digest', (digest) => {
  expect(isDigest(digest)).toBe(true)
  expect(Digest.parse(digest)).toBe(digest)
})

test.each([
  '',
  ':',
  'sha256',
  'sha256:',
  hex,
  `sha256:${hex.slice(1)}`,
  `sha256:${hex}0`,
  `sha256:${hex.toUpperCase()}`,
  `sha256:${hex.slice(1)}g`,
  `sha256: ${hex.slice(1)}`,
  `sha256:${hex.slice(1)}\n`,
  `SHA256:${hex}`,
  `md5:${hex.slice(32)}`,
  `sha512:${hex}`,
  `sha256:../${hex.slice(3)}`,
  `toString:${hex}`,
  `__proto__:${hex}`,
])('%j is not', (text) => {
  expect(isDigest(text)).toBe(false)
  expect(Digest.safeParse(text).success).toBe(false)
})

test('a digest has an algorithm and a hex, and is one token where one is needed', () => {
  expect(digestParts(`sha256:${hex}`)).toEqual({ algorithm: 'sha256', hex })
  expect(digestToken(`sha256:${hex}`)).toBe(`sha256-${hex}`)
})
