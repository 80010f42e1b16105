import fc from 'fast-check'
import { expect, test } from 'vitest'
import { openPeers, type Peers } from '../../../actors/swarm/peers.ts'
import { allPieces, pieces } from '../../../actors/swarm/pieces.ts'
import { pieceSize } from '../../../messages/swarm.ts'
import { bounded } from '../../support/properties.ts'

const size = 6 * pieceSize

test('copies are those of who is there and not avoided, whatever happened before', () => {
  const node = fc.constantFrom('a', 'b', 'c')
  const piece = fc.nat(5)
  const step = fc.oneof(
    fc.record({ what: fc.constant('gained' as const), node, piece }),
    fc.record({ what: fc.constant('without' as const), node, piece }),
    fc.record({ what: fc.constantFrom('whole', 'lost', 'avoid', 'later', 'asked'), node, piece }),
  )
  fc.assert(
    fc.property(fc.array(step, { maxLength: 40 }), (steps) => {
      const { peers, wait } = knowing()
      const model = new Map<string, { has: Set<number>; avoided: number }>()
      let time = 0
      for (const { what, node, piece } of steps) {
        const known = model.get(node) ?? { has: new Set(), avoided: 0 }
        model.set(node, known)
        if (what === 'gained') {
          peers.gained(node, piece)
          known.has.add(piece)
        } else if (what === 'without') {
          peers.without(node, piece)
          known.has.delete(piece)
        } else if (what === 'whole') {
          peers.met(node, { has: allPieces(size) })
          known.has = new Set([0, 1, 2, 3, 4, 5])
        } else if (what === 'lost') {
          peers.lost(node)
          known.has.clear()
        } else if (what === 'avoid') {
          peers.avoid(node, 10)
          known.avoided = time + 10
        } else if (what === 'later') {
          wait(6)
          time += 6
        } else peers.copies(piece)
        for (let index = 0; index < 6; index++)
          expect(peers.copies(index)).toBe([...model.values()].filter(({ has, avoided }) => has.has(index) && avoided <= time).length)
      }
    }),
    bounded({ runs: 300, ms: 4_000 }),
  )
})

test('what somebody was heard to have is not forgotten for an older answer of its', () => {
  const { peers } = knowing()
  peers.gained('n', 3)
  peers.met('n', { has: pieces(size, Uint8Array.of(0b1000_0000)) })
  expect([0, 1, 3].map((piece) => peers.copies(piece))).toEqual([1, 0, 1])
})

test('the least busy is asked, of those as busy the quickest, and nobody for more than four', () => {
  const { peers } = knowing()
  for (const node of ['slow', 'quick']) peers.met(node, { has: allPieces(size) })
  const slow = peers.best(0, new Set(['quick']))
  if (slow) slow.pace = 100
  expect(peers.best(0)?.node).toBe('quick')
  const asked: string[] = []
  for (let peer = peers.best(0); peer; peer = peers.best(0)) {
    peer.asked++
    asked.push(peer.node)
  }
  expect(asked.toSorted()).toEqual([...Array(4).fill('quick'), ...Array(4).fill('slow')])
  expect(peers.able()).toBe(false)
})

test('who has a piece and does not say what it hashes to is waited for, for a while', () => {
  const { peers, wait } = knowing(() => false)
  peers.gained('mute', 0)
  expect(peers.copies(0)).toBe(1)
  expect(peers.best(0)).toBeUndefined()
  wait(2_001)
  expect(peers.copies(0)).toBe(0)
})

test('who is paused is counted on, and not asked', () => {
  const { peers, wait } = knowing()
  peers.met('n', { has: allPieces(size) })
  peers.pause('n', 100)
  expect(peers.copies(0)).toBe(1)
  expect(peers.best(0)).toBeUndefined()
  wait(100)
  expect(peers.best(0)?.node).toBe('n')
})

test('pieces out of range count for nothing, and strangers without end take no memory without end', () => {
  const { peers } = knowing()
  for (const piece of [-1, 6, 2 ** 32, Number.MAX_SAFE_INTEGER]) peers.gained('n', piece)
  expect(peers.wanting()).toBe(1)
  for (let index = 0; index < 5_000; index++) peers.gained(`stranger-${index}`, 0)
  expect(peers.copies(0)).toBeLessThanOrEqual(1_000)
  peers.lost('stranger-0')
  const before = peers.copies(0)
  peers.gained('newcomer', 0)
  expect(peers.copies(0)).toBe(before + 1)
})

test('others want the blob while they do not have all of it', () => {
  const { peers } = knowing()
  peers.met('whole', { has: allPieces(size) })
  expect(peers.wanting()).toBe(0)
  peers.met('half', {})
  expect(peers.wanting()).toBe(1)
  peers.lost('half')
  expect(peers.wanting()).toBe(0)
  expect(peers.isLost('half')).toBe(true)
})

function knowing(knows: (piece: number) => boolean = () => true): { peers: Peers; wait(ms: number): void } {
  let now = 0
  const peers = openPeers({ now: () => now, none: () => pieces(size), knows })
  return { peers, wait: (ms) => void (now += ms) }
}
