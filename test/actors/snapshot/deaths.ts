import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { expect } from 'vitest'
import type { SnapshotInfo } from '../../../messages/snapshot.ts'
import { failureOf, openSnapshotRoom, type SnapshotRoom } from '../../support/snapshots.ts'

/** Run a life that dies when told to; whether it did. */
async function dies(root: string, driver: string, when: string): Promise<boolean> {
  const child = spawn(process.execPath, [fileURLToPath(new URL('./crash-child.ts', import.meta.url)), root, driver, when], {
    stdio: ['ignore', 'ignore', 'inherit'],
  })
  const [code, signal] = (await once(child, 'exit')) as [number | null, string | null]
  if (signal !== 'SIGKILL' && code !== 0) throw new Error(`the child ended with ${code ?? signal}`)
  return signal === 'SIGKILL'
}

/** Ids that have directories. */
const onDisk = async (root: string, driver: string) =>
  (await readdir(join(root, 'snapshots', driver))).filter((name) => /^\d+$/.test(name)).map(Number)

/** From wherever a life was left, lead it to its end. */
async function carryOn({ ask }: SnapshotRoom): Promise<void> {
  const has = async (key: string) => (await ask.list({})).snapshots.some((one) => one.key === key)
  for (const key of ['b', 'v', 'c', 'two']) if (await has(key)) await ask.remove({ key })
  if (!(await has('a')) && !(await has('one'))) await ask.prepare({ key: 'a', parent: 'base' })
  if (await has('a')) await ask.commit({ key: 'a', name: 'one' })
  await ask.prepare({ key: 'b', parent: 'one' })
  expect(await failureOf(ask.remove({ key: 'one' }))).toMatchObject({ code: 'failed_precondition' })
  for (const key of ['b', 'one']) await ask.remove({ key })
}

/** What a killed life left is whole. */
async function lookAt({ ask, at, look }: SnapshotRoom, { key, kind }: SnapshotInfo): Promise<void> {
  const names = (path: string) => readdir(path)
  const seen = kind === 'committed' ? await look(key, names) : await at((await ask.mounts({ key })).mounts, names)
  const own = { c: ['implied'], two: ['file', 'implied'] }
  // One that is prepared without a parent, and killed before it is written, is empty.
  if (key !== 'c' || seen.length > 0) expect(seen, key).toEqual(own[key as 'c' | 'two'] ?? ['file'])
}

/**
 * Kill a life on `driver` at each of its writes to the tables in turn, each time in a new root: every time the next life carries on, and no directory is left that no snapshot has.
 * `before` a write everything the one before asked for is done, and nobody knows; `after` it nothing of what it asks for is done.
 */
export async function surviveDeaths(
  driver: string,
  side: 'before' | 'after',
  newRoot: () => Promise<{ path: string } & AsyncDisposable>,
): Promise<void> {
  for (let number = 1, died = true; died; number++) {
    await using directory = await newRoot()
    const root = directory.path
    died = await dies(root, driver, `${side}:${number}`)
    await using room = await openSnapshotRoom({ driver, root })
    const { snapshots } = await room.ask.list({})
    for (const one of snapshots) await lookAt(room, one)
    expect(await onDisk(root, driver)).toHaveLength(snapshots.filter(({ kind }) => kind !== 'view').length)
    await carryOn(room)
    expect((await room.ask.list({})).snapshots.map(({ key }) => key)).toEqual(['base'])
    expect(await onDisk(root, driver)).toEqual([1])
    if (!died) expect(number).toBeGreaterThan(12)
  }
}
