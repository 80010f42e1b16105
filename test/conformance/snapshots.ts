/** What every snapshot driver must do, seen through the snapshot actor and real mounts. A driver is named; everything else is found out. */
import { execFile } from 'node:child_process'
import {
  chmod,
  chown,
  lchown,
  link,
  lstat,
  mkdir,
  readdir,
  readFile,
  rename,
  rm,
  stat,
  symlink,
  unlink,
  utimes,
  writeFile,
} from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { describe, expect, test } from 'vitest'
import { lsetxattr } from '../../runtime/syscalls/index.ts'
import { fileTree, treeDifference } from '../support/file-tree.ts'
import { failureOf, openSnapshotRoom, type SnapshotRoom } from '../support/snapshots.ts'

const run = promisify(execFile)

export function snapshotDriverSuite(driver: string): void {
  const open = () => openSnapshotRoom({ driver })
  describe(`snapshots of driver ${driver}`, () => {
    names(open)
    files(open)
    parents(open)
  })
}

type Open = () => Promise<SnapshotRoom>

/** Keys, names, kinds, parents, labels. */
function names(open: Open): void {
  test('a life: prepared, written, committed, stood on; the key is gone and the name is there', async () => {
    await using room = await open()
    const prepared = await room.ask.prepare({ key: 'a' })
    await room.at(prepared.mounts, async (at) => {
      await writeFile(join(at, 'foo'), 'foo\n')
      await mkdir(join(at, 'a/b/c'), { recursive: true })
    })
    const committed = await room.ask.commit({ key: 'a', name: 'one' })
    expect(committed).toMatchObject({ key: 'one', kind: 'committed' })
    expect(await failureOf(room.ask.stat({ key: 'a' }))).toMatchObject({ code: 'not_found' })
    expect(await failureOf(room.ask.mounts({ key: 'one' }))).toMatchObject({ code: 'failed_precondition' })

    const next = await room.ask.prepare({ key: 'b', parent: 'one' })
    expect((await room.ask.mounts({ key: 'b' })).mounts).toEqual(next.mounts)
    const edited = await room.at(next.mounts, async (at) => {
      expect(await readFile(join(at, 'foo'), 'utf8')).toBe('foo\n')
      await writeFile(join(at, 'bar'), 'bar\n')
      await rm(join(at, 'a/b'), { recursive: true })
      return fileTree(at)
    })
    await room.ask.commit({ key: 'b', name: 'two' })
    expect(treeDifference(edited, await room.look('two', (at) => fileTree(at)))).toEqual([])

    const { snapshots } = await room.ask.list({})
    for (const info of snapshots) expect(await room.ask.stat({ key: info.key })).toEqual(info)
    expect(snapshots.map(({ key, parent }) => [key, parent])).toEqual([
      ['one', undefined],
      ['two', 'one'],
    ])
    expect(await failureOf(room.ask.remove({ key: 'one' }))).toMatchObject({ code: 'failed_precondition' })
    await room.ask.remove({ key: 'two' })
    await room.ask.remove({ key: 'one' })
    expect((await room.ask.list({})).snapshots).toEqual([])
  })

  test('what happens is told, each in its order', async () => {
    await using room = await open()
    const { driver } = await room.ask.prepare({ key: 'a' })
    await room.ask.commit({ key: 'a', name: 'one' })
    await room.ask.label({ key: 'one', labels: { x: '1' } })
    await room.ask.view({ key: 'v', parent: 'one' })
    await room.ask.remove({ key: 'v' })
    await failureOf(room.ask.prepare({ key: 'b', parent: 'none' }))
    expect(room.told.map(({ fact, entity, data }) => ({ fact, entity, data }))).toEqual([
      { fact: 'prepared', entity: 'a', data: { key: 'a', driver, kind: 'active' } },
      { fact: 'committed', entity: 'one', data: { key: 'a', name: 'one', driver } },
      { fact: 'updated', entity: 'one', data: { key: 'one', driver } },
      { fact: 'prepared', entity: 'v', data: { key: 'v', driver, kind: 'view', parent: 'one' } },
      { fact: 'removed', entity: 'v', data: { key: 'v', driver } },
    ])
  })

  test('stat says kind, parent, labels and times', async () => {
    await using room = await open()
    await room.ask.prepare({ key: 'a', labels: { x: '1' } })
    const active = await room.ask.stat({ key: 'a' })
    expect(active).toMatchObject({ key: 'a', kind: 'active', labels: { x: '1' }, durable: false })
    expect(active.parent).toBeUndefined()
    await room.ask.commit({ key: 'a', name: 'one', labels: { y: '2' } })
    const committed = await room.ask.stat({ key: 'one' })
    expect(committed).toMatchObject({ key: 'one', kind: 'committed', labels: { y: '2' }, createdAt: active.createdAt })
    await room.ask.view({ key: 'v', parent: 'one' })
    expect(await room.ask.stat({ key: 'v' })).toMatchObject({ kind: 'view', parent: 'one' })
  })

  test('a parent of a parent is found by going from one to the next', async () => {
    await using room = await open()
    await room.layer('one', undefined)
    await room.layer('two', 'one')
    await room.ask.prepare({ key: 'c', parent: 'two' })
    const { parent = '' } = await room.ask.stat({ key: 'c' })
    expect(parent).toBe('two')
    expect((await room.ask.stat({ key: parent })).parent).toBe('one')
  })

  test.for([
    ['prepare', 'prepare'],
    ['prepare', 'view'],
    ['view', 'prepare'],
    ['view', 'view'],
  ] as const)('a key is given once: %s, then %s', async ([first, second]) => {
    await using room = await open()
    await room.layer('one', undefined)
    await room.ask[first]({ key: 'k', parent: 'one' })
    expect(await failureOf(room.ask[second]({ key: 'k', parent: 'one' }))).toMatchObject({ code: 'already_exists' })
    expect(await failureOf(room.ask[second]({ key: 'one', parent: 'one' }))).toMatchObject({ code: 'already_exists' })
  })

  test('of two that ask for one key at once, one gets it', async () => {
    await using room = await open()
    const outcomes = await Promise.allSettled([
      room.ask.prepare({ key: 'k' }),
      room.ask.prepare({ key: 'k' }),
      room.ask.prepare({ key: 'k' }),
    ])
    expect(outcomes.filter(({ status }) => status === 'fulfilled')).toHaveLength(1)
    expect(
      (await readdir(join(room.root, 'snapshots', (await room.ask.stat({ key: 'k' })).driver))).filter((name) => /^\d+$/.test(name)),
    ).toHaveLength(1)
  })

  test('labels change, one by one; nothing else does', async () => {
    await using room = await open()
    await room.layer('c1', undefined)
    await room.ask.prepare({ key: 'a1', parent: 'c1', labels: { a: '1', b: '2' } })
    await room.ask.view({ key: 'v1', parent: 'c1' })
    for (const key of ['c1', 'a1', 'v1']) {
      const before = await room.ask.stat({ key })
      const after = await room.ask.label({ key, labels: { b: '3', c: '4', a: '' } })
      expect(after).toEqual({ ...before, labels: { b: '3', c: '4' }, updatedAt: after.updatedAt })
      expect(await room.ask.stat({ key })).toEqual(after)
    }
    expect(await failureOf(room.ask.label({ key: 'none', labels: {} }))).toMatchObject({ code: 'not_found' })
  })

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

  test('what cannot be is refused, and leaves all as it was', async () => {
    await using room = await open()
    await room.layer('one', undefined)
    await room.ask.prepare({ key: 'a', parent: 'one' })
    await room.ask.view({ key: 'v', parent: 'one' })
    const before = await room.ask.list({})
    const refused: [string, Promise<unknown>, string][] = [
      ['prepare on nothing', room.ask.prepare({ key: 'x', parent: 'none' }), 'not_found'],
      ['prepare on an active one', room.ask.prepare({ key: 'x', parent: 'a' }), 'failed_precondition'],
      ['view of a view', room.ask.view({ key: 'x', parent: 'v' }), 'failed_precondition'],
      ['commit of nothing', room.ask.commit({ key: 'x', name: 'y' }), 'not_found'],
      ['commit of a view', room.ask.commit({ key: 'v', name: 'y' }), 'failed_precondition'],
      ['commit of a committed one', room.ask.commit({ key: 'one', name: 'y' }), 'failed_precondition'],
      ['commit under a name that is taken', room.ask.commit({ key: 'a', name: 'one' }), 'already_exists'],
      ['commit under a key that is taken', room.ask.commit({ key: 'a', name: 'v' }), 'already_exists'],
      ['commit under its own key', room.ask.commit({ key: 'a', name: 'a' }), 'already_exists'],
      ['removal of nothing', room.ask.remove({ key: 'x' }), 'not_found'],
      ['removal of a parent', room.ask.remove({ key: 'one' }), 'failed_precondition'],
      ['usage of nothing', room.ask.usage({ key: 'x' }), 'not_found'],
      ['mounts of nothing', room.ask.mounts({ key: 'x' }), 'not_found'],
      ['a driver nobody knows', room.ask.stat({ key: 'a', driver: 'x' }), 'unimplemented'],
      ['an empty key', room.ask.prepare({ key: '' }), 'invalid_argument'],
    ]
    for (const [what, attempt, code] of refused) {
      const failure = await failureOf(attempt)
      expect(failure, what).toMatchObject({ code })
      expect(failure.message).not.toMatch(/\n|^[A-Z]|\.$/)
    }
    expect(await room.ask.list({})).toEqual(before)
  })

  test('of two that commit under one name at once, one gets it and the other stays active', async () => {
    await using room = await open()
    await room.ask.prepare({ key: 'a' })
    await room.ask.prepare({ key: 'b' })
    const outcomes = await Promise.allSettled([room.ask.commit({ key: 'a', name: 'n' }), room.ask.commit({ key: 'b', name: 'n' })])
    expect(outcomes.filter(({ status }) => status === 'fulfilled')).toHaveLength(1)
    expect((await room.ask.list({})).snapshots.map(({ kind }) => kind).toSorted()).toEqual(['active', 'committed'])
  })

  test('keys may hold any text', async () => {
    await using room = await open()
    const keys = ['../../x', 'a/b', 'ü ☃\n', '\\,:=', 'x'.repeat(256)]
    for (const key of keys) await room.ask.prepare({ key })
    expect((await room.ask.list({})).snapshots.map(({ key }) => key).toSorted()).toEqual(keys.toSorted())
    for (const key of keys) await room.ask.remove({ key })
  })

  test('one can be looked at while others are listed', async () => {
    await using room = await open()
    for (const key of ['a', 'b', 'c']) await room.ask.prepare({ key })
    const { snapshots } = await room.ask.list({ after: 'a' })
    expect(await Promise.all(snapshots.map(({ key }) => room.ask.stat({ key })))).toEqual(snapshots)
    expect(snapshots.map(({ key }) => key)).toEqual(['b', 'c'])
  })

  test('it gives up when told to, and leaves nothing', async () => {
    await using room = await open()
    await room.layer('one', undefined)
    const signal = AbortSignal.abort()
    expect(await failureOf(room.ask.prepare({ key: 'a', parent: 'one' }, { signal }))).toMatchObject({ code: 'cancelled' })
    await room.ask.prepare({ key: 'b' })
    expect(await failureOf(room.ask.commit({ key: 'b', name: 'two' }, { signal }))).toMatchObject({ code: 'cancelled' })
    expect((await room.ask.list({})).snapshots.map(({ key, kind }) => [key, kind])).toEqual([
      ['b', 'active'],
      ['one', 'committed'],
    ])
  })
}

/** What is seen through mounts. */
function files(open: Open): void {
  test('the root of an empty one is 0755, whatever the mask of the process', async () => {
    await using room = await open()
    const mask = process.umask(0o077)
    const { mounts } = await room.ask.prepare({ key: 'a' })
    process.umask(mask)
    expect((await room.at(mounts, (at) => stat(at))).mode & 0o7777).toBe(0o755)
  })

  test('the root is as it is in the parent', async () => {
    await using room = await open()
    await room.layer('one', undefined, async (at) => {
      await chown(at, 1001, 1002)
      await chmod(at, 0o1770)
    })
    const { mounts } = await room.ask.prepare({ key: 'a', parent: 'one' })
    expect(await room.at(mounts, (at) => stat(at))).toMatchObject({ uid: 1001, gid: 1002, mode: 0o41770 })
  })

  test('a file changed in each of many layers is always that of the last', async () => {
    await using room = await open()
    await room.layer('0', undefined, (at) => writeFile(join(at, 'file'), '0'))
    for (let n = 1; n <= 5; n++) {
      await room.layer(`${n}`, `${n - 1}`, async (at) => {
        expect(await readFile(join(at, 'file'), 'utf8')).toBe(`${n - 1}`)
        // Same length and same second: nothing but the content tells them apart.
        await writeFile(join(at, 'file'), `${n}`)
        await utimes(join(at, 'file'), 1_000_000, 1_000_000)
      })
    }
    expect(await room.look('5', (at) => readFile(join(at, 'file'), 'utf8'))).toBe('5')
    expect(await room.look('2', (at) => readFile(join(at, 'file'), 'utf8'))).toBe('2')
  })

  test('a directory deleted and made again does not show what was in it', async () => {
    await using room = await open()
    await room.layer('one', undefined, async (at) => {
      await mkdir(join(at, 'd/sub'), { recursive: true })
      await writeFile(join(at, 'd/old'), '')
    })
    await room.layer('two', 'one', async (at) => {
      await rm(join(at, 'd'), { recursive: true })
      await mkdir(join(at, 'd'))
      await writeFile(join(at, 'd/new'), '')
    })
    expect(await room.look('two', (at) => readdir(join(at, 'd')))).toEqual(['new'])
    await room.layer('three', 'two')
    expect(await room.look('three', (at) => readdir(join(at, 'd')))).toEqual(['new'])
  })

  test('owners change in a child, of files, directories and links', async () => {
    await using room = await open()
    await room.layer('one', undefined, async (at) => {
      await mkdir(join(at, 'opt/a'), { recursive: true })
      await writeFile(join(at, 'opt/a/file'), 'text')
      await symlink('file', join(at, 'opt/a/link'))
    })
    await room.layer('two', 'one', async (at) => {
      await chown(join(at, 'opt'), 1, 1)
      await chown(join(at, 'opt/a/file'), 2, 2)
      await lchown(join(at, 'opt/a/link'), 3, 3)
    })
    await room.look('two', async (at) => {
      expect((await lstat(join(at, 'opt'))).uid).toBe(1)
      expect((await lstat(join(at, 'opt/a'))).uid).toBe(0)
      expect((await lstat(join(at, 'opt/a/file'))).uid).toBe(2)
      expect((await lstat(join(at, 'opt/a/link'))).uid).toBe(3)
      expect(await readFile(join(at, 'opt/a/file'), 'utf8')).toBe('text')
    })
    expect((await room.look('one', (at) => lstat(join(at, 'opt')))).uid).toBe(0)
  })

  test('modes and owners of directories survive commits', async () => {
    await using room = await open()
    await room.layer('one', undefined, async (at) => {
      for (const [name, uid, mode] of [
        ['d1', 1, 0o700],
        ['d2', 2, 0o1777],
        ['d3', 3, 0o2755],
      ] as const) {
        await mkdir(join(at, name))
        await chown(join(at, name), uid, uid)
        await chmod(join(at, name), mode)
      }
    })
    await room.layer('two', 'one', (at) => writeFile(join(at, 'd1/file'), ''))
    await room.layer('three', 'two', (at) => chmod(join(at, 'd2'), 0o711))
    await room.look('three', async (at) => {
      expect(await stat(join(at, 'd1'))).toMatchObject({ uid: 1, mode: 0o40700 })
      expect(await stat(join(at, 'd2'))).toMatchObject({ uid: 2, mode: 0o40711 })
      expect(await stat(join(at, 'd3'))).toMatchObject({ uid: 3, mode: 0o42755 })
    })
  })

  test('files deleted in a child stay deleted in its children, and stay in the parent', async () => {
    await using room = await open()
    await room.layer('one', undefined, async (at) => {
      for (const name of ['a', 'b', 'c']) await writeFile(join(at, name), name)
    })
    await room.layer('two', 'one', (at) => unlink(join(at, 'b')))
    await room.layer('three', 'two', (at) => writeFile(join(at, 'd'), 'd'))
    expect(await room.look('three', (at) => readdir(at))).toEqual(['a', 'c', 'd'])
    expect(await room.look('one', (at) => readdir(at))).toEqual(['a', 'b', 'c'])
    await room.layer('four', 'three', (at) => writeFile(join(at, 'b'), 'new'))
    expect(await room.look('four', (at) => readFile(join(at, 'b'), 'utf8'))).toBe('new')
  })

  test('a file of the parent may be moved, and linked', async () => {
    await using room = await open()
    await room.layer('one', undefined, async (at) => {
      await mkdir(join(at, 'dir'))
      await writeFile(join(at, 'dir/file'), 'text')
    })
    await room.layer('two', 'one', async (at) => {
      await rename(join(at, 'dir/file'), join(at, 'dir/moved'))
      await link(join(at, 'dir/moved'), join(at, 'linked'))
    })
    await room.look('two', async (at) => {
      expect(await readdir(join(at, 'dir'))).toEqual(['moved'])
      expect(await readFile(join(at, 'linked'), 'utf8')).toBe('text')
      expect((await stat(join(at, 'linked'))).ino).toBe((await stat(join(at, 'dir/moved'))).ino)
    })
  })

  test('a directory of the parent may be renamed', async () => {
    await using room = await open()
    await room.layer('one', undefined, async (at) => {
      await mkdir(join(at, 'old/sub'), { recursive: true })
      await writeFile(join(at, 'old/sub/file'), 'text')
    })
    await room.layer('two', 'one', (at) => run('mv', [join(at, 'old'), join(at, 'new')]))
    await room.layer('three', 'two', (at) => writeFile(join(at, 'new/sub/more'), ''))
    await room.look('three', async (at) => {
      expect(await readdir(at)).toEqual(['new'])
      expect(await readdir(join(at, 'new/sub'))).toEqual(['file', 'more'])
      expect(await readFile(join(at, 'new/sub/file'), 'utf8')).toBe('text')
    })
  })

  test('a view cannot be written', async () => {
    await using room = await open()
    await room.layer('one', undefined, (at) => writeFile(join(at, 'file'), 'text'))
    await room.layer('two', 'one', (at) => writeFile(join(at, 'other'), ''))
    for (const name of ['one', 'two']) {
      await room.look(name, async (at) => {
        await expect(writeFile(join(at, 'file'), 'changed')).rejects.toMatchObject({ code: 'EROFS' })
        await expect(writeFile(join(at, 'new'), '')).rejects.toMatchObject({ code: 'EROFS' })
        await expect(unlink(join(at, 'file'))).rejects.toMatchObject({ code: 'EROFS' })
      })
    }
    expect(await room.look('two', (at) => readFile(join(at, 'file'), 'utf8'))).toBe('text')
  })

  test('a change in a child never shows in its parent or its siblings', async () => {
    await using room = await open()
    await room.layer('one', undefined, (at) => writeFile(join(at, 'file'), 'text'))
    const before = await room.look('one', (at) => fileTree(at))
    const [a, b] = [await room.ask.prepare({ key: 'a', parent: 'one' }), await room.ask.prepare({ key: 'b', parent: 'one' })]
    await room.at(a.mounts, (at) => writeFile(join(at, 'file'), 'changed'))
    expect(await room.at(b.mounts, (at) => readFile(join(at, 'file'), 'utf8'))).toBe('text')
    expect(treeDifference(before, await room.look('one', (at) => fileTree(at)))).toEqual([])
  })

  test('links, holes, devices, pipes, attributes, owners, times and odd names come through', async () => {
    await using room = await open()
    await room.layer('one', undefined, async (at) => {
      await writeFile(join(at, 'file'), 'text')
      await link(join(at, 'file'), join(at, 'same'))
      await run('mknod', [join(at, 'device'), 'c', '1', '3'])
      await run('mkfifo', [join(at, 'pipe')])
      await run('truncate', ['-s', '100M', join(at, 'hole')])
      lsetxattr(join(at, 'file'), 'user.word', Buffer.from('value'))
      lsetxattr(join(at, 'file'), 'trusted.word', Buffer.from([0, 255]))
      lsetxattr(join(at, 'file'), 'security.capability', Buffer.from('0100000200200000000000000000000000000000', 'hex'))
      await writeFile(Buffer.concat([Buffer.from(`${at}/`), Buffer.from([0xff, 0xfe])]), '')
      await writeFile(join(at, 'suid'), '')
      await chown(join(at, 'suid'), 5, 6)
      await chmod(join(at, 'suid'), 0o6755)
      await symlink('/nowhere', join(at, 'link'))
      await run('touch', ['-h', '-d', '2001-02-03 04:05:06.789', join(at, 'link'), join(at, 'device'), join(at, 'file')])
    })
    const before = await room.look('one', (at) => fileTree(at))
    await room.layer('two', 'one')
    await room.layer('three', 'two')
    expect(treeDifference(before, await room.look('three', (at) => fileTree(at)))).toEqual([])
    expect((await room.look('three', (at) => stat(join(at, 'hole')))).blocks).toBeLessThan(2048)
  })

  test('usage is of the snapshot itself: measured while active, the same ever after', async () => {
    await using room = await open()
    const { driver } = await room.ask.prepare({ key: 'a' })
    const empty = await room.ask.usage({ key: 'a' })
    const { mounts } = await room.ask.mounts({ key: 'a' })
    await room.at(mounts, async (at) => {
      await writeFile(join(at, 'file'), Buffer.alloc(1 << 20, 1))
      await link(join(at, 'file'), join(at, 'same'))
      await mkdir(join(at, 'dir'))
    })
    const full = await room.ask.usage({ key: 'a' })
    expect(full.inodes - empty.inodes).toBe(2)
    expect(full.size - empty.size).toBeGreaterThanOrEqual(1 << 20)
    expect(full.size - empty.size).toBeLessThan(2 << 20)
    await room.ask.commit({ key: 'a', name: 'one' })
    expect(await room.ask.usage({ key: 'one' })).toEqual(full)
    expect(await room.ask.usage({ key: 'one' })).toEqual(full)
    await room.ask.view({ key: 'v', parent: 'one' })
    expect(await room.ask.usage({ key: 'v' })).toEqual({ size: 0, inodes: 0 })
    await room.ask.prepare({ key: 'b', parent: 'one' })
    if (driver !== 'native') expect((await room.ask.usage({ key: 'b' })).size).toBeLessThan(1 << 20)
  })

  test('128 layers can be mounted, and written on', async () => {
    await using room = await open()
    for (let n = 0; n < 128; n++) await room.layer(`${n}`, n === 0 ? undefined : `${n - 1}`, (at) => writeFile(join(at, `${n}`), `${n}`))
    const { mounts } = await room.ask.prepare({ key: 'top', parent: '127' })
    await room.at(mounts, async (at) => {
      expect((await readdir(at)).length).toBe(128)
      for (const n of [0, 1, 64, 126, 127]) expect(await readFile(join(at, `${n}`), 'utf8')).toBe(`${n}`)
      await writeFile(join(at, '0'), 'changed')
      expect(await readFile(join(at, '0'), 'utf8')).toBe('changed')
    })
    expect(await room.look('127', (at) => readFile(join(at, '0'), 'utf8'))).toBe('0')
  }, 120_000)
}

/** Who stands on whom. */
function parents(open: Open): void {
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
