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
import { expect, test } from 'vitest'
import { lsetxattr } from '../../../runtime/syscalls/index.ts'
import { fileTree, treeDifference } from '../../support/file-tree.ts'
import type { Open, Trait } from './open.ts'

const run = promisify(execFile)

/** What is seen through mounts. */
export function files(open: Open, { copies = false }: Trait): void {
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
    await room.ask.prepare({ key: 'a' })
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
    expect((await room.ask.usage({ key: 'b' })).size).toBeLessThan(copies ? 2 << 20 : 1 << 20)
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
