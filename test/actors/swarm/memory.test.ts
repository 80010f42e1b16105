import { expect, test } from 'vitest'
import { openMemory } from '../../../actors/swarm/memory.ts'
import { pieceSize } from '../../../messages/swarm.ts'

test('who has memory at the same time has memory of its own, of a piece each', async () => {
  const memory = openMemory()
  const all = new Set<ArrayBuffer>()
  const over = Promise.withResolvers<void>()
  const lent = [0, 1, 2].map(() =>
    memory.lend(async (room) => {
      expect(room).toHaveLength(pieceSize)
      all.add(room.buffer)
      await over.promise
    }),
  )
  expect(all.size).toBe(3)
  over.resolve()
  await Promise.all(lent)
})

test('what one had the next has, while anybody has any, whatever became of the work', async () => {
  const memory = openMemory()
  const seen: ArrayBuffer[] = []
  await memory.lend(async () => {
    await expect(
      memory.lend(async ({ buffer }) => {
        seen.push(buffer)
        throw new Error('no')
      }),
    ).rejects.toThrow('no')
    await memory.lend(async ({ buffer }) => void seen.push(buffer))
  })
  expect(seen[1]).toBe(seen[0])
  await memory.lend(async ({ buffer }) => void seen.push(buffer))
  expect(seen[2]).not.toBe(seen[0])
})
