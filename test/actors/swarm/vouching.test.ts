import { expect, test } from 'vitest'
import { sha256Of } from '../../../actors/swarm/map.ts'
import { openMemory } from '../../../actors/swarm/memory.ts'
import { boundsOf } from '../../../actors/swarm/pieces.ts'
import { openShare } from '../../../actors/swarm/share.ts'
import { openVouching } from '../../../actors/swarm/vouching.ts'
import { pieceSize } from '../../../messages/swarm.ts'
import { aBlob } from './setup.ts'

const blob = aBlob(3 * pieceSize + 5)
const { digest, size } = blob.descriptor

test('who is alone reads nothing back; once somebody asks, all that is here is vouched for, and what comes later too', async () => {
  const { share, vouching, told, read } = bringing()
  share.here.add(0)
  share.here.add(3)
  await vouching.all()
  expect(read).toEqual([])
  share.holding()
  expect(share.company).toBe(true)
  await vouching.all()
  expect(told).toEqual([0, 3])
  expect(share.offers(3)).toBe(true)
  await vouching.all()
  share.here.add(1)
  await vouching.all()
  expect(told).toEqual([0, 3, 1])
  expect(read).toEqual([0, 3, 1])
})

test('what lands while others are vouched for is too, before anybody who waits goes on', async () => {
  const { share, vouching, told } = bringing({ reading: () => void share.here.add(2) })
  share.here.add(0)
  share.heard({ node: 'them' })
  await Promise.all([vouching.all(), vouching.all()])
  expect(told).toEqual([0, 2])
})

test('what somebody who asks is told to be here before it is vouched for is not offered, and is once it is', async () => {
  const { share, vouching } = bringing()
  share.here.add(0)
  expect(share.holding().pieces).toEqual(Uint8Array.of(0b1000_0000))
  expect(share.offers(0)).toBe(false)
  await vouching.all()
  expect(share.offers(0)).toBe(true)
})

test('a piece that is not what others say is not vouched for, and not looked at again', async () => {
  const { share, vouching, told, read } = bringing()
  share.heard({ node: 'liar', piece: 0, sha256: new Uint8Array(32).fill(1) })
  share.here.add(0)
  await vouching.all()
  await vouching.all()
  expect(told).toEqual([])
  expect(read).toEqual([0])
  expect(share.offers(0)).toBe(false)
})

test('a file that cannot be read fails who asked for it, and the next try is a new one', async () => {
  let broken = true
  const { share, vouching, told } = bringing({
    reading() {
      if (broken) throw new Error('no disk')
    },
  })
  share.here.add(0)
  share.heard({ node: 'them' })
  await expect(vouching.all()).rejects.toThrow('no disk')
  broken = false
  await vouching.all()
  expect(told).toEqual([0])
})

function bringing({ reading = () => {} }: { reading?: () => void } = {}) {
  const now = () => performance.now()
  const share = openShare({ digest, size, node: 'us', now, distrusted: () => false, blame: () => {}, joined: () => {} })
  const told: number[] = []
  const read: number[] = []
  const file = {
    async read(piece: number) {
      reading()
      read.push(piece)
      const { start, end } = boundsOf(piece, size)
      return blob.bytes.subarray(start, end)
    },
  }
  const tell = ({ piece, sha256 }: { piece?: number | undefined; sha256?: Uint8Array | undefined }): void => {
    if (piece === undefined) return
    const { start, end } = boundsOf(piece, size)
    expect(sha256).toEqual(sha256Of(blob.bytes.subarray(start, end)))
    told.push(piece)
  }
  return { share, told, read, vouching: openVouching({ share, file, room: { tell }, memory: openMemory() }) }
}
