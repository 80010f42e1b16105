import { mkdir, readdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { native } from '../../../actors/snapshot/native.ts'
import { mountAll } from '../../../runtime/mounts.ts'
import { failureOf, openSnapshotRoom } from '../../support/snapshots.ts'
import { tempDirectory } from '../../support/temp.ts'

const active = (id: string, ...ancestors: string[]) => ({ id, kind: 'active', ancestors }) as const

test('mounts are binds: of its own directory, for a view of the parent', async () => {
  await using directory = await tempDirectory()
  const driver = native(directory.path)
  expect(driver.mounts(active('2', '1'))).toEqual([{ type: 'bind', source: `${directory.path}/2/fs`, options: ['rw', 'rbind'] }])
  expect(driver.mounts({ id: '2', kind: 'view', ancestors: ['1'] })).toEqual([
    { type: 'bind', source: `${directory.path}/1/fs`, options: ['ro', 'rbind'] },
  ])
  expect(driver.target(active('2', '1'))).toEqual({ kind: 'directory', path: `${directory.path}/2/fs`, whiteouts: 'remove' })
})

test('a copy that was interrupted is made anew', async () => {
  await using directory = await tempDirectory()
  const driver = native(directory.path)
  await driver.prepare(active('1'))
  await writeFile(join(directory.path, '1/fs/file'), 'text')
  await mkdir(join(directory.path, '2/fs/half'), { recursive: true })
  await driver.prepare(active('2', '1'))
  expect(await readdir(join(directory.path, '2/fs'))).toEqual(['file'])
})

test('a full disk is said to be one, and the copy is not left', async () => {
  await using directory = await tempDirectory()
  const at = join(directory.path, 'snapshots/native')
  await mkdir(at, { recursive: true })
  await using _disk = await mountAll([{ type: 'tmpfs', source: 'tmpfs', options: ['size=1m'] }], at)
  await using room = await openSnapshotRoom({ driver: 'native', root: directory.path, mounted: [at] })
  await room.layer('one', undefined, (inside) => writeFile(join(inside, 'file'), Buffer.alloc(700_000, 1)))
  const failure = await failureOf(room.ask.prepare({ key: 'a', parent: 'one' }))
  expect(failure.code).toBe('resource_exhausted')
  expect(failure.message).toMatch(/^copy .*No space left on device$/)
  expect((await room.ask.list({})).snapshots.map(({ key }) => key)).toEqual(['one'])
  expect((await readdir(at)).toSorted()).toEqual(['1', 'removing'])
  expect(room.told.map(({ fact }) => fact)).toEqual(['prepared', 'committed'])
})

test('a copy gives up when told to', async () => {
  await using directory = await tempDirectory()
  const driver = native(directory.path)
  await driver.prepare(active('1'))
  await writeFile(join(directory.path, '1/fs/file'), Buffer.alloc(1 << 20))
  const signal = AbortSignal.abort()
  await expect(driver.prepare(active('2', '1'), { signal })).rejects.toMatchObject({ name: 'AbortError' })
  const late = new AbortController()
  const copying = driver.prepare(active('3', '1'), { signal: late.signal })
  setImmediate(() => late.abort())
  await expect(copying).rejects.toMatchObject({ name: 'AbortError' })
  await expect(driver.probe({ signal })).rejects.toMatchObject({ name: 'AbortError' })
})
