import { readdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { failureOf } from '../../support/snapshots.ts'
import type { Open } from './open.ts'

/** What is taken away, and what may come in its place. */
export function removal(open: Open): void {
  test('a key is free the moment its snapshot is removed, for anything', async () => {
    await using room = await open()
    await room.layer('one', undefined, (at) => writeFile(join(at, 'file'), 'one'))
    await room.layer('two', undefined, (at) => writeFile(join(at, 'file'), 'two'))
    await room.ask.prepare({ key: 'k', parent: 'one' })
    await room.ask.remove({ key: 'k' })
    await room.ask.view({ key: 'k', parent: 'one' })
    await room.ask.remove({ key: 'k' })
    const again = await room.ask.prepare({ key: 'k', parent: 'two' })
    expect(await room.at(again.mounts, (at) => readFile(join(at, 'file'), 'utf8'))).toBe('two')
    await room.ask.remove({ key: 'one' })
    await room.ask.commit({ key: 'k', name: 'one' })
    expect(await room.ask.stat({ key: 'one' })).toMatchObject({ kind: 'committed', parent: 'two' })
  })

  test('what is committed is removed by its name, at once; its key is nobody’s', async () => {
    await using room = await open()
    const { mounts } = await room.ask.prepare({ key: 'a' })
    await room.at(mounts, (at) => writeFile(join(at, 'file'), 'first'))
    await room.ask.commit({ key: 'a', name: 'one' })
    expect(await failureOf(room.ask.remove({ key: 'a' }))).toMatchObject({ code: 'not_found' })
    await room.ask.remove({ key: 'one' })
    expect(await failureOf(room.ask.view({ key: 'v', parent: 'one' }))).toMatchObject({ code: 'not_found' })
    await room.layer('one', undefined, async (at) => expect(await readdir(at)).toEqual([]))
    expect(await room.look('one', (at) => readdir(at))).toEqual([])
    await room.ask.prepare({ key: 'a', parent: 'one' })
  })

  test('removing twice is removing nothing', async () => {
    await using room = await open()
    await room.ask.prepare({ key: 'a' })
    await room.ask.remove({ key: 'a' })
    expect(await failureOf(room.ask.remove({ key: 'a' }))).toMatchObject({ code: 'not_found' })
  })

  test('of a child that is made and a parent that is removed at once, one is refused', async () => {
    await using room = await open()
    for (let round = 0; round < 5; round++) {
      await room.layer('base', undefined)
      const [made, removed] = await Promise.allSettled([
        room.ask.prepare({ key: 'child', parent: 'base' }),
        room.ask.remove({ key: 'base' }),
      ])
      expect([made.status, removed.status].toSorted()).toEqual(['fulfilled', 'rejected'])
      if (made.status === 'rejected') expect(made.reason).toMatchObject({ code: 'not_found' })
      if (removed.status === 'rejected') expect(removed.reason).toMatchObject({ code: 'failed_precondition' })
      if (made.status === 'fulfilled') await room.ask.remove({ key: 'child' })
      if (removed.status === 'rejected') await room.ask.remove({ key: 'base' })
    }
  })

  test('one that is mounted can be removed, and goes on showing what it does', async () => {
    await using room = await open()
    await room.layer('base', undefined, (at) => writeFile(join(at, 'file'), 'text'))
    const { mounts } = await room.ask.view({ key: 'v', parent: 'base' })
    await room.at(mounts, async (at) => {
      await room.ask.remove({ key: 'v' })
      expect(await readFile(join(at, 'file'), 'utf8')).toBe('text')
    })
  })
}
