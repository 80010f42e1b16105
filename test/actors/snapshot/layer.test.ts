import { readdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { failureOf, openSnapshotRoom } from '../../support/snapshots.ts'

test('the own files of a committed snapshot lie there, and of an active one too', async () => {
  await using room = await openSnapshotRoom({ driver: 'overlay' })
  await room.layer('base', undefined, (at) => writeFile(join(at, 'file'), ''))
  await room.layer('child', 'base', (at) => writeFile(join(at, 'other'), ''))
  const { mounts } = await room.ask.prepare({ key: 'top', parent: 'child' })
  await room.at(mounts, (at) => writeFile(join(at, 'third'), ''))
  for (const [key, own] of [
    ['base', 'file'],
    ['child', 'other'],
    ['top', 'third'],
  ] as const) {
    const { target } = await room.ask.layer({ key })
    expect(target).toMatchObject({ kind: 'directory', whiteouts: 'overlay' })
    if (target.kind === 'directory') expect(await readdir(target.path)).toEqual([own])
  }
})

test('a view has none, and neither has what is not there, or of a driver that keeps none', async () => {
  await using room = await openSnapshotRoom({ driver: 'overlay' })
  await room.layer('base', undefined)
  await room.ask.view({ key: 'view', parent: 'base' })
  await room.ask.prepare({ key: 'active', driver: 'native' })
  expect(await failureOf(room.ask.layer({ key: 'view' }))).toMatchObject({ code: 'failed_precondition' })
  expect(await failureOf(room.ask.layer({ key: 'nothing' }))).toMatchObject({ code: 'not_found' })
  expect(await failureOf(room.ask.layer({ key: 'active', driver: 'native' }))).toMatchObject({ code: 'unimplemented' })
})
