import { expect, test } from 'vitest'
import type { Agreement } from '../../../actors/swarm/claims.ts'
import { openPromises } from '../../../actors/swarm/promises.ts'
import { openShare } from '../../../actors/swarm/share.ts'
import { pieceSize } from '../../../messages/swarm.ts'

const size = 8 * pieceSize
const digest = `sha256:${'a'.repeat(64)}`

test('what another is said to have is promised until it was asked, and anew when it is said to have more', () => {
  const { promises, said } = wanting()
  const first = said('them', 0b1100_0000)
  expect(promises.of(0, first)).toBe(true)
  expect(promises.of(2, first)).toBe(false)
  expect([...promises.makers(first)]).toEqual(['them'])
  promises.asked('them', first)
  expect(promises.of(0, first)).toBe(false)
  expect(promises.makers(first).size).toBe(0)
  const more = said('them', 0b1110_0000)
  expect([0, 1, 2].map((piece) => promises.of(piece, more))).toEqual([false, false, true])
})

test('who is gone promises nothing, and neither do we', () => {
  const { promises, said, share } = wanting()
  share.peers.lost('them')
  expect(promises.of(0, said('them', 0xff))).toBe(false)
  expect(promises.of(0, said('us', 0xff))).toBe(false)
})

test('nobody is asked about what is here, or is known to be had', () => {
  const { promises, said, share } = wanting()
  share.here.add(0)
  share.heard({ node: 'other', piece: 1, sha256: new Uint8Array(32).fill(1) })
  expect(promises.makers(said('them', 0b1100_0000)).size).toBe(0)
  expect([...promises.makers(said('them', 0b1110_0000))]).toEqual(['them'])
})

test('bits too few say nothing of the rest', () => {
  const { promises } = wanting()
  expect(promises.of(7, { claims: [], held: [{ node: 'them', pieces: new Uint8Array() }] })).toBe(false)
})

function wanting() {
  const share = openShare({
    digest,
    size,
    node: 'us',
    now: () => performance.now(),
    distrusted: () => false,
    blame: () => {},
    joined: () => {},
  })
  const said = (node: string, bits: number): Agreement => ({ claims: [], held: [{ node, pieces: Uint8Array.of(bits) }] })
  return { share, promises: openPromises(share), said }
}
