import { describe, expect, test } from 'vitest'
import { formatPlatform, type Platform, parsePlatform, platformDistance } from '../../../messages/words/index.ts'

const platform = (text: string): Platform => parsePlatform(text) ?? expect.unreachable(`${text} is a platform`)

test.each(['linux/amd64', 'linux/arm/v7', 'linux/arm64/v8', 'windows/amd64'])('%s is read and written the same', (text) => {
  expect(formatPlatform(platform(text))).toBe(text)
})

test.each(['', 'linux', 'linux/', '/amd64', 'linux/amd64/', 'linux/arm/v7/x'])('%j is no platform', (text) => {
  expect(parsePlatform(text)).toBeUndefined()
})

describe.each([
  ['linux/amd64', ['linux/amd64', 'linux/386']],
  ['linux/amd64/v3', ['linux/amd64/v3', 'linux/amd64/v2', 'linux/amd64', 'linux/386']],
  ['linux/386', ['linux/386']],
  ['linux/arm64', ['linux/arm64', 'linux/arm/v8', 'linux/arm/v7', 'linux/arm/v6', 'linux/arm/v5']],
  ['linux/arm', ['linux/arm/v7', 'linux/arm/v6', 'linux/arm/v5']],
  ['linux/arm/v6', ['linux/arm/v6', 'linux/arm/v5']],
  ['linux/s390x', ['linux/s390x']],
])('%s', (wanted, runs) => {
  test(`runs ${runs.join(', ')}, best first`, () => {
    const distances = runs.map((offered) => platformDistance(platform(wanted), platform(offered)))
    expect(distances[0]).toBe(0)
    expect(distances).toEqual([...distances].sort((a, b) => Number(a) - Number(b)))
    expect(new Set(distances).size).toBe(runs.length)
  })

  test('runs nothing else', () => {
    const others = ['linux/amd64/v4', 'linux/riscv64', 'linux/ppc64le', 'windows/amd64', 'linux/arm64/v9', 'linux/arm/v4'].filter(
      (one) => !runs.includes(one),
    )
    for (const other of others) expect(platformDistance(platform(wanted), platform(other))).toBeUndefined()
  })
})

test('a variant left out is the usual one', () => {
  for (const [short, long] of [
    ['linux/amd64', 'linux/amd64/v1'],
    ['linux/arm64', 'linux/arm64/v8'],
    ['linux/arm', 'linux/arm/v7'],
  ] as const) {
    expect(platformDistance(platform(short), platform(long))).toBe(0)
    expect(platformDistance(platform(long), platform(short))).toBe(0)
  }
})
