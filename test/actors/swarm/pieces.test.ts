import fc from 'fast-check'
import { expect, test } from 'vitest'
import { allPieces, boundsOf, countOf, pieces } from '../../../actors/swarm/pieces.ts'
import { pieceSize } from '../../../messages/swarm.ts'
import { bounded } from '../../support/properties.ts'

test('hold what was added and not dropped, and nothing that is no piece', () => {
  const change = fc.record({ add: fc.boolean(), piece: fc.integer({ min: -3, max: 40 }) })
  fc.assert(
    fc.property(fc.nat({ max: 30 * pieceSize }), fc.array(change), (size, changes) => {
      const some = pieces(size)
      const model = new Set<number>()
      for (const { add, piece } of changes) {
        if (add) some.add(piece)
        else some.drop(piece)
        if (add && piece >= 0 && piece < countOf(size)) model.add(piece)
        if (!add) model.delete(piece)
      }
      expect(some.held).toBe(model.size)
      for (let piece = -3; piece < 40; piece++) expect(some.has(piece)).toBe(model.has(piece))
      expect(pieces(size, some.bytes()).bytes()).toEqual(some.bytes())
    }),
    bounded({ runs: 200, ms: 2_000 }),
  )
})

test('of bits too few or too many are those there are', () => {
  expect(pieces(9 * pieceSize, new Uint8Array([0xff])).held).toBe(8)
  expect(pieces(9 * pieceSize, new Uint8Array(1000).fill(0xff)).held).toBe(9)
  expect(pieces(9 * pieceSize, new Uint8Array([0x80])).has(0)).toBe(true)
})

test('a number that is only the same in its lowest bits is no piece', () => {
  const all = allPieces(3 * pieceSize)
  for (const piece of [2 ** 32, 2 ** 32 + 1, Number.MAX_SAFE_INTEGER]) {
    expect(all.has(piece)).toBe(false)
    all.drop(piece)
  }
  expect(all.held).toBe(3)
})

test('the last piece ends where the blob does, and an empty blob has none', () => {
  expect(boundsOf(1, pieceSize + 5)).toEqual({ start: pieceSize, end: pieceSize + 5 })
  expect(countOf(pieceSize)).toBe(1)
  expect(pieces(0)).toMatchObject({ count: 0, held: 0 })
})
