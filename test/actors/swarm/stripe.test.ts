import fc from 'fast-check'
import { expect, test } from 'vitest'
import type { Claim } from '../../../actors/swarm/claims.ts'
import { stripe } from '../../../actors/swarm/stripe.ts'
import { bounded } from '../../support/properties.ts'

const none = () => false
const claim = (from: number, to: number): Claim => ({ node: 'other', from, to, beat: 0 })

test('who is alone reads ever more in one go, up to a bound', () => {
  let last = 0
  const lengths: number[] = []
  for (let had = 0; had < 1000; ) {
    const range = stripe([], { claims: [] }, { count: 1000, had: (piece) => piece < had, alone: true, last })
    if (!range) break
    last = range.to - range.from
    lengths.push(last)
    had = range.to
  }
  expect(lengths.slice(0, 6)).toEqual([4, 8, 16, 32, 64, 128])
})

test('who is not alone reads little, so that there is something left for each', () => {
  expect(stripe([], { claims: [] }, { count: 100, had: none, alone: false, last: 64 })).toEqual({ from: 0, to: 4 })
  expect(stripe([claim(0, 4)], { claims: [] }, { count: 100, had: none, alone: true, last: 64 })).toEqual({ from: 4, to: 8 })
})

test('of a registry that has no ranges one reads all that is missing, and the others nothing', () => {
  const agreed = { claims: [], whole: true }
  expect(stripe([], agreed, { count: 50, had: (piece) => piece < 3, alone: false, last: 4 })).toEqual({ from: 3, to: 50 })
  expect(stripe([claim(0, 1)], agreed, { count: 50, had: none, alone: false, last: 4 })).toBeUndefined()
})

test('nothing is read that is had, or another reads', () => {
  const ranges = fc.array(
    fc.tuple(fc.nat(60), fc.nat(60)).map(([a, b]) => claim(Math.min(a, b), Math.max(a, b))),
    { maxLength: 5 },
  )
  fc.assert(
    fc.property(ranges, fc.uniqueArray(fc.nat(59)), fc.boolean(), fc.nat(128), (claims, had, alone, last) => {
      const held = new Set(had)
      const free = (piece: number) => !held.has(piece) && !claims.some(({ from, to }) => piece >= from && piece < to)
      const range = stripe(claims, { claims }, { count: 60, had: (piece) => held.has(piece), alone, last })
      const all = Array.from({ length: 60 }, (_, piece) => piece)
      if (!range) return void expect(all.some(free)).toBe(false)
      expect(range.to).toBeGreaterThan(range.from)
      expect(all.slice(range.from, range.to).every(free)).toBe(true)
    }),
    bounded({ runs: 300, ms: 2_000 }),
  )
})
