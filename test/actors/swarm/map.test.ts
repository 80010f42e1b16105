import { randomBytes } from 'node:crypto'
import { expect, test } from 'vitest'
import { learnAll, pieceMap, sha256Of } from '../../../actors/swarm/map.ts'
import { pieceSize } from '../../../messages/swarm.ts'

const size = 4 * pieceSize
const bytes = [0, 1, 2, 3].map(() => randomBytes(100))
const hashes = bytes.map(sha256Of)

test('the first word on a piece stands', () => {
  const map = pieceMap(size)
  map.learn(0, hashes[0] as Uint8Array, 'n1')
  map.learn(0, hashes[1] as Uint8Array, 'n2')
  expect(map.fits(0, bytes[0] as Uint8Array)).toBe(true)
  expect(map.fits(0, bytes[1] as Uint8Array)).toBe(false)
  expect(map.author(0)).toBe('n1')
})

test('of a piece that is not known nothing fits', () => {
  expect(pieceMap(size).fits(1, bytes[1] as Uint8Array)).toBe(false)
})

test('what is no hash, or of no piece, is not learnt', () => {
  const map = pieceMap(size)
  map.learn(-1, hashes[0] as Uint8Array, 'n1')
  map.learn(4, hashes[0] as Uint8Array, 'n1')
  map.learn(0, new Uint8Array(32), 'n1')
  map.learn(0, new Uint8Array(31).fill(1), 'n1')
  map.learn(0, new Uint8Array(1 << 20).fill(1), 'n1')
  expect(map.bytes()).toBeUndefined()
})

test('travels as it is, however much follows that is of no piece', () => {
  const map = pieceMap(size)
  map.learn(2, hashes[2] as Uint8Array, 'n1')
  const other = pieceMap(size)
  learnAll(other, Buffer.concat([map.bytes() ?? new Uint8Array(), Buffer.alloc(1000, 7), Buffer.alloc(5)]), 'n2')
  expect(other.bytes()).toEqual(map.bytes())
  expect(other.knows(2)).toBe(true)
  expect(other.knows(1)).toBe(false)
})

test('forgets all words of one author, and no other', () => {
  const map = pieceMap(size)
  map.learn(0, hashes[0] as Uint8Array, 'n1')
  map.learn(1, hashes[1] as Uint8Array, 'n2')
  map.learn(2, hashes[2] as Uint8Array, 'n1')
  expect(map.forget('n1')).toEqual([0, 2])
  expect([...map.authors()]).toEqual(['n2'])
  map.learn(0, hashes[3] as Uint8Array, 'n3')
  expect(map.fits(0, bytes[3] as Uint8Array)).toBe(true)
})
