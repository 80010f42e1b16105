import { mkdir, readdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { failureOf, openSnapshotRoom } from '../../support/snapshots.ts'

test('the default is the first driver that can be used, or the one configured', async () => {
  await using plain = await openSnapshotRoom()
  expect((await plain.ask.prepare({ key: 'a' })).driver).toBe('overlay')
  const { drivers } = await plain.ask.drivers({})
  expect(drivers.map(({ name }) => name)).toEqual(['overlay', 'btrfs', 'native'])
  expect(drivers).toMatchObject([{ usable: true, rebase: true }, {}, { usable: true, rebase: false }])
  await using configured = await openSnapshotRoom({ driver: 'native' })
  expect((await configured.ask.prepare({ key: 'a' })).driver).toBe('native')
  expect((await configured.ask.drivers({})).drivers.map(({ name }) => name)).toEqual(['native', 'overlay', 'btrfs'])
})

test('a driver nobody knows cannot be the default', async () => {
  const failure = await failureOf(openSnapshotRoom({ driver: 'zfs' }))
  expect(failure).toEqual({
    code: 'invalid_argument',
    message: 'use snapshot driver zfs by default: this node has overlay, btrfs, native',
  })
})

test('drivers have keys of their own, and stand on their own only', async () => {
  await using room = await openSnapshotRoom()
  await room.ask.prepare({ key: 'a', driver: 'overlay' })
  await room.ask.prepare({ key: 'a', driver: 'native' })
  await room.ask.commit({ key: 'a', name: 'one', driver: 'native' })
  expect(await room.ask.stat({ key: 'a', driver: 'overlay' })).toMatchObject({ kind: 'active' })
  expect(await failureOf(room.ask.prepare({ key: 'b', parent: 'one', driver: 'overlay' }))).toMatchObject({ code: 'not_found' })
})

test('a list goes on where it stopped', async () => {
  await using room = await openSnapshotRoom()
  await room.layer('base', undefined)
  const keys = Array.from({ length: 1001 }, (_, n) => `v${String(n).padStart(4, '0')}`)
  for (let n = 0; n < keys.length; n += 50) await Promise.all(keys.slice(n, n + 50).map((key) => room.ask.view({ key, parent: 'base' })))
  const first = await room.ask.list({})
  expect(first.snapshots).toHaveLength(1000)
  expect(first.more).toBe(true)
  const last = first.snapshots.at(-1)?.key
  const rest = await room.ask.list({ ...(last !== undefined && { after: last }) })
  expect(rest).toMatchObject({ snapshots: [{ key: 'v0999' }, { key: 'v1000' }], more: false })
}, 60_000)

test('what is on disk without a record goes at the start', async () => {
  await using room = await openSnapshotRoom({ driver: 'overlay' })
  await room.ask.prepare({ key: 'a' })
  const directory = join(room.root, 'snapshots/overlay')
  await mkdir(join(directory, '77/fs'), { recursive: true })
  await writeFile(join(directory, '77/fs/file'), '')
  await room.restart()
  expect((await readdir(directory)).toSorted()).toEqual(['1', 'removing'])
  expect(room.complaints.join()).toContain('remove directories no snapshot has')
  expect(await room.ask.stat({ key: 'a' })).toMatchObject({ kind: 'active' })
})

test('snapshots outlive the actor', async () => {
  await using room = await openSnapshotRoom()
  await room.layer('one', undefined, (at) => writeFile(join(at, 'file'), ''))
  await room.ask.prepare({ key: 'a', parent: 'one', labels: { x: 'y' } })
  const before = await room.ask.list({})
  await room.restart()
  expect(await room.ask.list({})).toEqual(before)
  expect(await room.look('one', (at) => readdir(at))).toEqual(['file'])
})

test('stopping it twice is as good as once, and then nobody answers', async () => {
  await using room = await openSnapshotRoom()
  await room.layer('one', undefined)
  await room.stop()
  await room.stop()
  expect(await failureOf(room.ask.stat({ key: 'one' }))).toMatchObject({ code: 'unavailable' })
})
