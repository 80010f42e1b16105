import { readdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { failureOf } from '../../support/snapshots.ts'
import type { Open } from './open.ts'

/** Who stands on whom. */
export function parents(open: Open): void {
  test('one in the middle stays as long as one stands on it', async () => {
    await using room = await open()
    await room.layer('base', undefined, (at) => writeFile(join(at, 'base'), ''))
    await room.layer('middle', 'base', (at) => writeFile(join(at, 'middle'), ''))
    const { mounts } = await room.ask.prepare({ key: 'top', parent: 'middle' })
    expect(await failureOf(room.ask.remove({ key: 'middle' }))).toMatchObject({ code: 'failed_precondition' })
    expect(await room.at(mounts, (at) => readdir(at))).toEqual(['base', 'middle'])
    await room.ask.remove({ key: 'top' })
    await room.ask.remove({ key: 'middle' })
    expect((await room.ask.list({})).snapshots.map(({ key }) => key)).toEqual(['base'])
  })

  test('a parent may be given at commit where the driver can rebase, once, and must be committed', async () => {
    await using room = await open()
    const [{ rebase = false } = {}] = (await room.ask.drivers({})).drivers
    await room.layer('one', undefined, (at) => writeFile(join(at, 'one'), ''))
    const { target } = await room.ask.prepare({ key: 'two' })
    expect(target.kind).toBe('directory')
    if (target.kind === 'directory') await writeFile(join(target.path, 'two'), '')
    await room.ask.prepare({ key: 'active' })
    if (!rebase) {
      expect(await failureOf(room.ask.commit({ key: 'two', name: 'n', parent: 'one' }))).toMatchObject({ code: 'unimplemented' })
      return
    }
    expect(await failureOf(room.ask.commit({ key: 'two', name: 'n', parent: 'active' }))).toMatchObject({ code: 'failed_precondition' })
    expect(await failureOf(room.ask.commit({ key: 'two', name: 'n', parent: 'none' }))).toMatchObject({ code: 'not_found' })
    await room.ask.prepare({ key: 'standing', parent: 'one' })
    expect(await failureOf(room.ask.commit({ key: 'standing', name: 'n', parent: 'one' }))).toMatchObject({ code: 'failed_precondition' })
    expect(await room.ask.commit({ key: 'two', name: 'n', parent: 'one' })).toMatchObject({ parent: 'one' })
    expect(await room.look('n', (at) => readdir(at))).toEqual(['one', 'two'])
    await room.ask.remove({ key: 'standing' })
    expect(await failureOf(room.ask.remove({ key: 'one' }))).toMatchObject({ code: 'failed_precondition' })
  })
}
