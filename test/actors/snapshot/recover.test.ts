import { readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, test, vi } from 'vitest'
import type { Home } from '../../../runtime/home.ts'
import { openSnapshotRoom } from '../../support/snapshots.ts'
import { tempDirectory } from '../../support/temp.ts'

/** As if everything stored so far was written in an earlier run of the kernel. */
async function rebooted(tables: Home['tables']): Promise<void> {
  const table = tables.table<{ context: object }>('snapshot')
  await tables.transaction(() => {
    for (const { key, value } of table.range()) table.put(key, { ...value, context: { ...value.context, boot: 'an earlier one' } })
  })
}

test('it is said of a committed snapshot once it has reached the disk', async () => {
  await using room = await openSnapshotRoom()
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] })
  try {
    await room.layer('one', undefined)
    await room.layer('two', 'one')
    expect(await room.ask.stat({ key: 'one' })).toMatchObject({ durable: false })
    vi.advanceTimersByTime(10_000)
  } finally {
    vi.useRealTimers()
  }
  // What has begun is waited for.
  await room.restart()
  for (const key of ['one', 'two']) expect(await room.ask.stat({ key })).toMatchObject({ durable: true })
})

test('after a crash of the machine, what may not have reached the disk is let go; what has been is kept', async () => {
  await using directory = await tempDirectory()
  const root = directory.path
  {
    await using room = await openSnapshotRoom({ root })
    await room.layer('a', undefined)
    await room.layer('a-on-a', 'a')
    await room.layer('a-on-a-on-a', 'a-on-a')
    await room.layer('b', undefined)
    await room.ask.prepare({ key: 'container', parent: 'b' })
  }
  await using room = await openSnapshotRoom({ root, before: rebooted })
  expect((await room.ask.list({})).snapshots.map(({ key }) => key)).toEqual(['b', 'container'])
  expect(room.complaints.join('\n')).toMatch(/a snapshot in use may not have survived .*"b"/)
  expect((await readdir(join(root, 'snapshots/overlay'))).toSorted()).toEqual(['4', '5', 'removing'])
})

test('a restart of the node alone loses nothing', async () => {
  await using directory = await tempDirectory()
  const root = directory.path
  {
    await using room = await openSnapshotRoom({ root })
    await room.layer('a', undefined)
  }
  await using room = await openSnapshotRoom({ root })
  expect((await room.ask.list({})).snapshots.map(({ key }) => key)).toEqual(['a'])
})
