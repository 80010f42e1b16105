import { mkdtemp, open, readdir, statfs, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { syncfsAsync } from '../../../runtime/syscalls/index.ts'
import { named, openLoop, whyNoLoop } from '../../support/loop.ts'
import { openSnapshotRoom, type SnapshotRoom } from '../../support/snapshots.ts'

const MiB = 1 << 20

/** Bytes that are taken of the file system at a path, once all is written there. */
async function taken(path: string): Promise<number> {
  await using directory = await open(path)
  await syncfsAsync(directory.fd)
  const { blocks, bfree, bsize } = await statfs(path)
  return (blocks - bfree) * bsize
}

const mib = async (room: SnapshotRoom, key: string) => Math.round((await room.ask.usage({ key })).size / MiB)

for (const kind of ['btrfs', 'xfs'] as const) {
  const why = await whyNoLoop(kind)
  describe.skipIf(why !== undefined)(named(`where files can share data: ${kind}`, why), () => {
    test('a copy takes no room for what it was copied from, and says so', async () => {
      await using loop = await openLoop(kind)
      await using room = await openSnapshotRoom({ driver: 'native', root: await mkdtemp(join(loop.path, 'root-')), mounted: [loop.path] })
      const { drivers } = await room.ask.drivers({})
      expect(drivers[0]).toMatchObject({ name: 'native', usable: true, why: expect.stringMatching(/a copy that shares its data with/) })
      await room.layer('one', undefined, (at) => writeFile(join(at, 'file'), Buffer.alloc(64 * MiB, 'text')))
      const before = await taken(loop.path)
      const { mounts } = await room.ask.prepare({ key: 'a', parent: 'one' })
      expect((await taken(loop.path)) - before).toBeLessThan(16 * MiB)
      expect([await mib(room, 'one'), await mib(room, 'a')]).toEqual([64, 0])

      await room.at(mounts, async (at) => {
        await using file = await open(join(at, 'file'), 'r+')
        await file.write(Buffer.alloc(8 * MiB, 'else'), 0, undefined, 0)
        expect(await readdir(at)).toEqual(['file'])
      })
      expect(await mib(room, 'a')).toBe(8)
      await room.ask.commit({ key: 'a', name: 'two' })
      await room.ask.prepare({ key: 'b', parent: 'two' })
      expect([await mib(room, 'one'), await mib(room, 'two'), await mib(room, 'b')]).toEqual([64, 8, 0])
    })

    test('what overlayfs copies up it shares, and that is not counted', async () => {
      await using loop = await openLoop(kind)
      await using room = await openSnapshotRoom({ driver: 'overlay', root: await mkdtemp(join(loop.path, 'root-')), mounted: [loop.path] })
      await room.layer('one', undefined, (at) => writeFile(join(at, 'file'), Buffer.alloc(64 * MiB, 'text')))
      await room.layer('two', 'one', (at) => writeFile(join(at, 'other'), ''))
      const { mounts } = await room.ask.prepare({ key: 'a', parent: 'two' })
      await room.at(mounts, async (at) => {
        await using file = await open(join(at, 'file'), 'r+')
        await file.write(Buffer.alloc(8 * MiB, 'else'), 0, undefined, 0)
      })
      expect(await room.ask.usage({ key: 'a' })).toMatchObject({ inodes: 2 })
      expect([await mib(room, 'one'), await mib(room, 'a')]).toEqual([64, 8])
    })
  })
}
