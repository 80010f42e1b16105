import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { sha256Of } from '../../../actors/swarm/map.ts'
import { openMemory } from '../../../actors/swarm/memory.ts'
import { boundsOf, countOf } from '../../../actors/swarm/pieces.ts'
import { openShare, type Share } from '../../../actors/swarm/share.ts'
import { openTakes, type TakesComponents } from '../../../actors/swarm/takes.ts'
import { openTurns } from '../../../actors/swarm/turns.ts'
import { Failure } from '../../../messages/grammar/index.ts'
import { pieceSize } from '../../../messages/swarm.ts'
import { aBlob } from './setup.ts'

const blob = aBlob(10 * pieceSize)
const { digest, size } = blob.descriptor

beforeEach(() => void vi.useFakeTimers({ toFake: ['setTimeout', 'setInterval', 'clearTimeout', 'clearInterval', 'performance'] }))
afterEach(() => void vi.useRealTimers())

test('the piece the fewest have is taken first', async () => {
  const at = sharing()
  for (const node of ['a', 'b'])
    at.has(
      node,
      [0, 1, 2, 3, 4, 5, 6, 7, 8, 9].filter((piece) => node === 'a' || piece !== 6),
    )
  await using takes = openTakes(at.share, at.components())
  takes.begin()
  expect(at.asked[0]).toEqual({ node: 'a', piece: 6 })
})

test('nobody is asked for more than four at once, and a dozen are under way, no more', async () => {
  const at = sharing()
  for (const node of ['a', 'b', 'c', 'd']) at.has(node, [0, 1, 2, 3, 4, 5, 6, 7, 8, 9])
  await using takes = openTakes(at.share, at.components({ read: () => new Promise<never>(() => {}) }))
  takes.begin()
  expect(at.asked).toHaveLength(10)
  for (const node of ['a', 'b', 'c', 'd']) expect(at.asked.filter((one) => one.node === node).length).toBeLessThanOrEqual(4)
  expect(new Set(at.asked.map(({ piece }) => piece)).size).toBe(10)
})

test('what is late is asked of one other, and counted once however many send it', async () => {
  const at = sharing()
  at.has('slow', [3])
  const answers: ((bytes: Uint8Array) => void)[] = []
  await using takes = openTakes(at.share, at.components({ read: () => new Promise((resolve) => void answers.push(resolve)) }))
  takes.begin()
  for (const node of ['other', 'third']) at.has(node, [3])
  takes.begin()
  expect(at.asked).toHaveLength(1)
  await vi.advanceTimersByTimeAsync(2_000)
  takes.begin()
  expect(at.asked.map(({ node }) => node)).toHaveLength(2)
  takes.begin()
  expect(at.asked).toHaveLength(2)
  for (const answer of answers) answer(bytesOf(3))
  await vi.advanceTimersByTimeAsync(1)
  expect(at.landed).toEqual([3])
})

test.each([
  ['is gone', 'unavailable', (share: Share) => share.peers.isLost('a')],
  ['has not got it', 'not_found', (share: Share) => share.peers.copies(3) === 0],
  ['is busy', 'resource_exhausted', (share: Share) => share.peers.copies(3) === 1 && !share.peers.able()],
  ['fails', 'internal', (share: Share) => share.peers.copies(3) === 0],
] as const)('who %s is treated so', async (_, code, so) => {
  const at = sharing()
  at.has('a', [3])
  await using takes = openTakes(at.share, at.components({ read: () => Promise.reject(new Failure(code, 'no')) }))
  takes.begin()
  await vi.advanceTimersByTimeAsync(1)
  expect(so(at.share)).toBe(true)
  expect(takes.running).toBe(0)
  await vi.advanceTimersByTimeAsync(11_000)
})

test('bytes of the wrong one are not landed, whoever vouched for what; without another, the piece is not to be had', async () => {
  const at = sharing()
  at.has('a', [3])
  await using takes = openTakes(at.share, at.components({ read: async () => bytesOf(4) }))
  takes.begin()
  await vi.advanceTimersByTimeAsync(1)
  expect(at.landed).toEqual([])
  at.has('a', [3])
  expect(at.share.available(3)).toBe(false)
})

test('what is under way is given up when it is disposed of', async () => {
  const at = sharing()
  at.has('a', [0, 1, 2])
  const signals: AbortSignal[] = []
  const takes = openTakes(
    at.share,
    at.components({
      read(_, __, { signal }) {
        signals.push(signal)
        return new Promise<never>(() => {})
      },
    }),
  )
  takes.begin()
  expect(signals.some(({ aborted }) => aborted)).toBe(false)
  await takes[Symbol.asyncDispose]()
  expect(signals).toHaveLength(3)
  expect(signals.every(({ aborted }) => aborted)).toBe(true)
  takes.begin()
  expect(takes.running).toBe(0)
})

const bytesOf = (piece: number): Uint8Array => blob.bytes.subarray(boundsOf(piece, size).start, boundsOf(piece, size).end)

/** A share whose map is known, on a third's word. */
function sharing() {
  const now = () => performance.now()
  const share = openShare({ digest, size, node: 'us', now, distrusted: () => false, blame: () => {}, joined: () => {} })
  for (let piece = 0; piece < countOf(size); piece++) share.map.learn(piece, sha256Of(bytesOf(piece)), 'author')
  const asked: { node: string; piece: number }[] = []
  const landed: number[] = []
  return {
    share,
    asked,
    landed,
    has(node: string, pieces: number[]) {
      for (const piece of pieces) share.heard({ node, piece })
    },
    components({ read = async (_, { offset }) => bytesOf(offset / pieceSize) }: Partial<TakesComponents> = {}): TakesComponents {
      return {
        memory: openMemory(),
        turns: openTurns(16),
        gone: (error) => Failure.from(error).code === 'unavailable',
        now,
        random: () => 0,
        patienceMs: 5_000,
        read(node, range, options) {
          asked.push({ node, piece: range.offset / pieceSize })
          return read(node, range, options)
        },
        async land(piece) {
          share.here.add(piece)
          landed.push(piece)
        },
      }
    },
  }
}
