import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { chmod, mkdir, readdir, readFile, rename, rm, stat, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { describe, expect, test } from 'vitest'
import { overlay } from '../../../actors/snapshot/overlay.ts'
import { failureOf, openSnapshotRoom, type SnapshotRoom } from '../../support/snapshots.ts'
import { tempDirectory } from '../../support/temp.ts'

const text = (at: string, name: string) => readFile(join(at, name), 'utf8')

/** Two layers and something writable on top: `base` with a file, `child` on it, active `top` on that. */
async function stacked(): Promise<SnapshotRoom> {
  const room = await openSnapshotRoom({ driver: 'overlay' })
  await room.layer('base', undefined, (at) => writeFile(join(at, 'file'), 'damaged'))
  await room.layer('child', 'base', (at) => writeFile(join(at, 'other'), 'other'))
  await room.ask.prepare({ key: 'top', parent: 'child' })
  return room
}

/** An active one with the file as it should be. */
async function sound(room: SnapshotRoom, key: string, parent?: string): Promise<void> {
  const { mounts } = await room.ask.prepare({ key, ...(parent !== undefined && { parent }) })
  await room.at(mounts, (at) => writeFile(join(at, 'file'), 'sound'))
}

const onDisk = async (room: SnapshotRoom) => (await readdir(join(room.root, 'snapshots/overlay'))).filter((name) => /^\d+$/.test(name))

describe('replace', () => {
  test('gives a committed snapshot what an active one holds; children stay, and see it', async () => {
    await using room = await stacked()
    const before = await room.ask.stat({ key: 'base' })
    await sound(room, 'anew')
    const after = await room.ask.replace({ key: 'anew', name: 'base' })
    expect(after).toEqual({ ...before, updatedAt: after.updatedAt })
    expect(await failureOf(room.ask.stat({ key: 'anew' }))).toMatchObject({ code: 'not_found' })
    const { mounts } = await room.ask.mounts({ key: 'top' })
    expect(await room.at(mounts, async (at) => [await text(at, 'file'), await text(at, 'other')])).toEqual(['sound', 'other'])
    expect(await failureOf(room.ask.remove({ key: 'base' }))).toMatchObject({ code: 'failed_precondition' })
    expect(room.told.filter(({ fact }) => fact === 'replaced')).toMatchObject([
      { actor: 'snapshot', entity: 'base', data: { name: 'base', driver: 'overlay' } },
    ])
    expect(room.told.at(-1)).toMatchObject({ fact: 'removed', entity: 'anew' })
    expect(await onDisk(room)).toHaveLength(3)
  })

  test('leaves what is mounted as it was, also when the room is swept', async () => {
    await using room = await stacked()
    await sound(room, 'anew')
    const { mounts } = await room.ask.mounts({ key: 'top' })
    await room.at(mounts, async (at) => {
      await room.ask.replace({ key: 'anew', name: 'base' })
      await room.restart()
      await room.ask.prepare({ key: 'unrelated' })
      await room.ask.remove({ key: 'unrelated' })
      expect(await text(at, 'file')).toBe('damaged')
    })
    expect(await room.at(mounts, (at) => text(at, 'file'))).toBe('sound')
  })

  test('what was put aside goes with the run of the kernel it was of', async () => {
    await using directory = await tempDirectory()
    const driver = overlay(directory.path)
    await mkdir(join(directory.path, 'replaced/an-earlier-run/7/fs'), { recursive: true })
    await driver.sweep()
    expect(await readdir(join(directory.path, 'replaced'))).toEqual([])
  })

  test('completes directories as a commit does', async () => {
    await using room = await openSnapshotRoom({ driver: 'overlay' })
    await room.layer('base', undefined, async (at) => {
      await mkdir(join(at, 'etc'))
      await chmod(join(at, 'etc'), 0o711)
    })
    await room.layer('child', 'base', (at) => writeFile(join(at, 'etc/file'), 'damaged'))
    const { mounts } = await room.ask.prepare({ key: 'anew' })
    await room.at(mounts, async (at) => {
      await mkdir(join(at, 'etc'))
      await writeFile(join(at, 'etc/file'), 'sound')
    })
    await room.ask.replace({ key: 'anew', name: 'child', implied: ['etc'] })
    const seen = await room.look('child', async (at) => [(await stat(join(at, 'etc'))).mode & 0o777, await text(at, 'etc/file')])
    expect(seen).toEqual([0o711, 'sound'])
  })

  test('takes one that was prepared on the same parent, and none on another', async () => {
    await using room = await stacked()
    await sound(room, 'on-base', 'base')
    await sound(room, 'on-child', 'child')
    expect(await failureOf(room.ask.replace({ key: 'on-child', name: 'child' }))).toMatchObject({ code: 'failed_precondition' })
    await room.ask.replace({ key: 'on-base', name: 'child' })
    expect(await room.look('child', (at) => text(at, 'file'))).toBe('sound')
  })

  test('gives one whose directories are gone others', async () => {
    await using room = await stacked()
    const { target } = await room.ask.layer({ key: 'base' })
    if (target.kind === 'directory') await rm(dirname(target.path), { recursive: true })
    await sound(room, 'anew')
    await room.ask.replace({ key: 'anew', name: 'base' })
    expect(await room.look('child', (at) => text(at, 'file'))).toBe('sound')
  })

  test('is refused for what is not committed, not active, or not there, and nothing changes', async () => {
    await using room = await stacked()
    await sound(room, 'anew')
    const refused = async (key: string, name: string) => (await failureOf(room.ask.replace({ key, name }))).code
    expect(await refused('anew', 'top')).toBe('failed_precondition')
    expect(await refused('child', 'base')).toBe('failed_precondition')
    expect(await refused('anew', 'nothing')).toBe('not_found')
    expect(await refused('nothing', 'base')).toBe('not_found')
    expect(await failureOf(room.ask.replace({ key: 'anew', name: 'base', driver: 'native' }))).toMatchObject({ code: 'unimplemented' })
    expect(await room.look('base', (at) => text(at, 'file'))).toBe('damaged')
    await room.ask.remove({ key: 'anew' })
  })

  test('of one snapshot by two at once is one after another, or refused', async () => {
    await using room = await stacked()
    for (const key of ['one', 'two']) await sound(room, key)
    const outcomes = await Promise.allSettled(['one', 'two'].map((key) => room.ask.replace({ key, name: 'base' })))
    for (const outcome of outcomes) if (outcome.status === 'rejected') expect(outcome.reason).toMatchObject({ code: 'failed_precondition' })
    expect(outcomes.map(({ status }) => status)).toContain('fulfilled')
    expect(await room.look('base', (at) => text(at, 'file'))).toBe('sound')
  })

  test('can be done again and again', async () => {
    await using room = await stacked()
    for (const key of ['one', 'two', 'three']) {
      await sound(room, key)
      await room.ask.replace({ key, name: 'base' })
    }
    expect(room.told.filter(({ fact }) => fact === 'replaced')).toHaveLength(3)
  })

  test('gives up when told to, and the active one is as it was', async () => {
    await using room = await stacked()
    await sound(room, 'anew')
    const gone = room.ask.replace({ key: 'anew', name: 'base' }, { signal: AbortSignal.abort(new Error('enough')) })
    await expect(gone).rejects.toThrow()
    expect(await room.ask.stat({ key: 'anew' })).toMatchObject({ kind: 'active' })
    const driver = overlay(join(room.root, 'snapshots/overlay'))
    await expect(
      driver.layers?.replace({ id: '1', ancestors: [] }, { by: '4', implied: [] }, { signal: AbortSignal.abort() }),
    ).rejects.toThrow()
    expect(await room.look('base', (at) => text(at, 'file'))).toBe('damaged')
  })

  test.for(['before', 'after'])('killed %s any write it leaves the old or the new, and carries on', { timeout: 120_000 }, async (side) => {
    for (let number = 1, died = true; died; number++) {
      await using directory = await tempDirectory()
      died = await dies(directory.path, `${side}:${number}`)
      await using room = await openSnapshotRoom({ driver: 'overlay', root: directory.path })
      const seen = await room.look('base', (at) => text(at, 'file'))
      expect(['damaged', 'sound']).toContain(seen)
      const left = (await room.ask.list({})).snapshots.filter(({ kind }) => kind === 'active').map(({ key }) => key)
      expect(left).toEqual(seen === 'sound' ? [] : ['anew'])
      if (seen === 'damaged') await room.ask.replace({ key: 'anew', name: 'base' })
      expect(await room.look('child', (at) => text(at, 'file'))).toBe('sound')
      expect(await onDisk(room)).toHaveLength(2)
      if (!died) expect(number).toBeGreaterThan(3)
    }
  })

  test.for(['marked', 'exchanged', 'aside'])('done again by a driver that stopped when it was %s, it comes to the same', async (when) => {
    await using directory = await tempDirectory()
    const driver = overlay(directory.path)
    for (const [id, content] of [
      ['1', 'damaged'],
      ['2', 'sound'],
    ] as const) {
      await driver.prepare({ id, kind: 'active', ancestors: [] })
      await writeFile(join(directory.path, id, 'fs/file'), content)
    }
    const replace = () => driver.layers?.replace({ id: '1', ancestors: [] }, { by: '2', implied: [] })
    if (when === 'marked') await writeFile(join(directory.path, '2/made-as-2'), '')
    else await replace()
    if (when === 'exchanged') {
      const [boot = ''] = await readdir(join(directory.path, 'replaced'))
      await rename(join(directory.path, 'replaced', boot, '2'), join(directory.path, '2'))
    }
    await replace()
    expect(await text(directory.path, '1/fs/file')).toBe('sound')
    expect((await readdir(directory.path)).filter((name) => /^\d+$/.test(name))).toEqual(['1'])
  })
})

/** Run a replacement that dies when told to; whether it did. */
async function dies(root: string, when: string): Promise<boolean> {
  const program = fileURLToPath(new URL('./replace.process.ts', import.meta.url))
  const child = spawn(process.execPath, [program, root, when], { stdio: ['ignore', 'ignore', 'inherit'] })
  const [code, signal] = (await once(child, 'exit')) as [number | null, string | null]
  if (signal !== 'SIGKILL' && code !== 0) throw new Error(`the child ended with ${code ?? signal}`)
  return signal === 'SIGKILL'
}
