import { randomBytes } from 'node:crypto'
import { expect, test } from 'vitest'
import { openGrudges } from '../../../actors/swarm/grudges.ts'
import { type PieceMap, pieceMap, sha256Of } from '../../../actors/swarm/map.ts'
import { openSuspects, type Suspects } from '../../../actors/swarm/suspects.ts'
import { pieceSize } from '../../../messages/swarm.ts'

const right = randomBytes(100)

test('who sends what it itself says the piece is not is blamed, and believed no more', () => {
  const { suspects, map, blamed } = suspecting('liar', sha256Of(right))
  suspects.wrong(0, 'liar')
  expect(blamed).toEqual(['liar'])
  expect(map.knows(0)).toBe(false)
})

test('who sends what another says the piece is not is blamed once a third has sent what it is', () => {
  const { suspects, blamed } = suspecting('author', sha256Of(right))
  suspects.wrong(0, 'sender')
  expect(blamed).toEqual([])
  expect(suspects.of(0)).toEqual(new Set(['sender']))
  suspects.right(0)
  expect(blamed).toEqual(['sender'])
  expect(suspects.of(0)).toBeUndefined()
})

test('of two who send what one says the piece is not, the one is blamed, and they are not', () => {
  const { suspects, map, blamed } = suspecting('author', sha256Of(randomBytes(100)))
  suspects.wrong(0, 'one')
  suspects.wrong(0, 'two')
  expect(blamed).toEqual(['author'])
  expect(suspects.of(0)).toBeUndefined()
  expect(map.knows(0)).toBe(false)
})

test('our own word is believed at once', () => {
  const { suspects, map, blamed } = suspecting('us', sha256Of(right))
  suspects.wrong(0, 'one')
  suspects.wrong(0, 'two')
  expect(blamed).toEqual(['one', 'two'])
  expect(map.knows(0)).toBe(true)
})

test('the registry convicts the sender, or who said what it would send', () => {
  const true_ = suspecting('author', sha256Of(right))
  true_.suspects.wrong(0, 'sender')
  true_.suspects.fromOrigin(0, right)
  expect(true_.blamed).toEqual(['sender'])

  const false_ = suspecting('author', sha256Of(randomBytes(100)))
  false_.suspects.wrong(0, 'sender')
  false_.suspects.fromOrigin(0, right)
  expect(false_.blamed).toEqual(['author'])
})

test('a grudge is held for a while, and so many are, no more', () => {
  let now = 0
  const grudges = openGrudges({ now: () => now })
  grudges.hold('liar')
  expect(grudges.against('liar')).toBe(true)
  now = 299_999
  expect(grudges.against('liar')).toBe(true)
  now = 300_000
  expect(grudges.against('liar')).toBe(false)
  for (let index = 0; index < 2_000; index++) grudges.hold(`n${index}`)
  expect(grudges.against('n0')).toBe(false)
  expect(grudges.against('n1999')).toBe(true)
})

function suspecting(author: string, sha256: Uint8Array): { suspects: Suspects; map: PieceMap; blamed: string[] } {
  const map = pieceMap(2 * pieceSize)
  map.learn(0, sha256, author)
  const blamed: string[] = []
  return { map, blamed, suspects: openSuspects({ map, node: 'us', blame: (sender) => blamed.push(sender) }) }
}
