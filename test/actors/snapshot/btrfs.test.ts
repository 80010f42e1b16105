import { execFile } from 'node:child_process'
import { link, mkdir, mkdtemp, readdir, readFile, stat, writeFile } from 'node:fs/promises'
import { basename, join } from 'node:path'
import { promisify } from 'node:util'
import { afterAll, describe, expect, test } from 'vitest'
import { btrfs } from '../../../actors/snapshot/btrfs.ts'
import { native } from '../../../actors/snapshot/native.ts'
import { mountAll, mountedUnder } from '../../../runtime/mounts.ts'
import { named, openLoop, whyNoLoop } from '../../support/loop.ts'
import { failureOf, openSnapshotRoom } from '../../support/snapshots.ts'
import { tempDirectory } from '../../support/temp.ts'

const run = promisify(execFile)
const MiB = 1 << 20
const active = (id: string, ...ancestors: string[]) => ({ id, kind: 'active', ancestors }) as const
const view = (id: string, ...ancestors: string[]) => ({ id, kind: 'view', ancestors }) as const

/** Subvolumes below a directory of a name nothing else has. */
async function subvolumes(path: string): Promise<number> {
  const { stdout } = await run('btrfs', ['subvolume', 'list', path])
  return stdout.split('\n').filter((line) => line.includes(`${basename(path)}/`)).length
}

test('where there is no btrfs it says so, and makes nothing', async () => {
  await using disk = await tempDirectory()
  await mkdir(join(disk.path, 'tmpfs'))
  await using _mounted = await mountAll([{ type: 'tmpfs', source: 'tmpfs', options: [] }], join(disk.path, 'tmpfs'))
  const directory = join(disk.path, 'tmpfs/snapshots/btrfs')
  expect(await failureOf(btrfs(directory).probe())).toEqual({
    code: 'unimplemented',
    message: `use btrfs snapshots: ${directory} is not on btrfs`,
  })
  expect(await readdir(join(disk.path, 'tmpfs'))).toEqual([])
})

const why = await whyNoLoop('btrfs')

describe.skipIf(why !== undefined)(named('on btrfs', why), async () => {
  if (why !== undefined) return
  const loop = await openLoop('btrfs')
  afterAll(() => loop[Symbol.asyncDispose]())
  const fresh = async () => {
    const directory = await mkdtemp(join(loop.path, 'driver-'))
    const driver = btrfs(directory)
    return { directory, driver, fs: (id: string) => join(directory, id, 'fs') }
  }

  test('a probe leaves nothing', async () => {
    const { driver, directory } = await fresh()
    await driver.probe()
    expect(await readdir(join(directory, 'removing'))).toEqual([])
    expect(await subvolumes(directory)).toBe(0)
  })

  test('who may not delete subvolumes is told so before one is made', async () => {
    const { directory } = await fresh()
    const source = join(import.meta.dirname, '../../../actors/snapshot/btrfs.ts')
    const script = `
      import { btrfs } from ${JSON.stringify(source)}
      const outcome = await btrfs(${JSON.stringify(directory)}).probe().then(() => 'may', ({ code, message }) => ({ code, message }))
      process.stdout.write(JSON.stringify(outcome))`
    const without = ['--bounding-set=-sys_admin', '--inh-caps=-sys_admin']
    const { stdout } = await run('setpriv', [...without, process.execPath, '--input-type=module', '--eval', script])
    expect(JSON.parse(stdout)).toEqual({
      code: 'permission_denied',
      message: 'use btrfs snapshots: this user may not search and delete subvolumes (CAP_SYS_ADMIN)',
    })
    expect(await readdir(join(directory, 'removing'))).toEqual([])
  })

  test('mounts are binds: of its own subvolume, for a view of the parent', async () => {
    const { driver, fs } = await fresh()
    expect(driver.mounts(active('2', '1'))).toEqual([{ type: 'bind', source: fs('2'), options: ['rw', 'rbind'] }])
    expect(driver.mounts(view('2', '1'))).toEqual([{ type: 'bind', source: fs('1'), options: ['ro', 'rbind'] }])
    expect(driver.target(active('2', '1'))).toEqual({ kind: 'directory', path: fs('2'), whiteouts: 'remove' })
  })

  test('one is a subvolume, that of a child has its data without copying it, and what is committed cannot be written', async () => {
    const { driver, directory, fs } = await fresh()
    await driver.prepare(active('1'))
    await writeFile(join(fs('1'), 'file'), Buffer.alloc(8 * MiB, 'text'))
    await driver.commit(active('1'), [])
    await driver.commit(active('1'), [])
    await expect(writeFile(join(fs('1'), 'more'), '')).rejects.toMatchObject({ code: 'EROFS' })
    await driver.prepare(active('2', '1'))
    expect(await readdir(fs('2'))).toEqual(['file'])
    await writeFile(join(fs('2'), 'more'), '')
    expect(await readdir(fs('1'))).toEqual(['file'])
    await driver.prepare(view('3', '1'))
    expect(await driver.ids()).toEqual(['1', '2'])
    expect(await subvolumes(directory)).toBe(2)
  })

  test('preparing again what was prepared, or half so, begins anew', async () => {
    const { driver, directory, fs } = await fresh()
    await driver.prepare(active('1'))
    await writeFile(join(fs('1'), 'half'), '')
    await driver.prepare(active('1'))
    expect(await readdir(fs('1'))).toEqual([])
    expect((await stat(fs('1'))).mode & 0o7777).toBe(0o755)
    await driver.commit(active('1'), [])
    await mkdir(join(directory, '2'))
    await driver.prepare(active('2', '1'))
    await driver.prepare(active('2', '1'))
    expect((await readdir(join(directory, 'removing'))).length).toBe(3)
    await driver.sweep()
    expect(await readdir(join(directory, 'removing'))).toEqual([])
    expect(await subvolumes(directory)).toBe(2)
  })

  test('what is removed twice is gone once; frozen, mounted into, or with subvolumes inside', async () => {
    const { driver, directory, fs } = await fresh()
    await using elsewhere = await tempDirectory()
    await writeFile(join(elsewhere.path, 'precious'), '')
    await driver.prepare(active('1'))
    for (const path of ['inside', 'inside/deeper', 'frozen']) await run('btrfs', ['subvolume', 'create', join(fs('1'), path)])
    await writeFile(join(fs('1'), 'inside/deeper/file'), '')
    await run('btrfs', ['property', 'set', join(fs('1'), 'frozen'), 'ro', 'true'])
    await mkdir(join(fs('1'), 'mnt'))
    await using _mounted = await mountAll([{ type: 'bind', source: elsewhere.path, options: ['rbind'] }], join(fs('1'), 'mnt'))
    await driver.commit(active('1'), [])
    await driver.remove('1')
    await driver.remove('1')
    expect(await driver.ids()).toEqual([])
    await driver.sweep()
    expect(await readdir(join(directory, 'removing'))).toEqual([])
    expect(await subvolumes(directory)).toBe(0)
    expect(await readdir(elsewhere.path)).toEqual(['precious'])
    expect(await mountedUnder(directory)).toEqual([])
  })

  test('copies go too when a container has made subvolumes in them, frozen ones, with others inside; what is beside them stays', async () => {
    const { driver: beside, directory } = await fresh()
    await beside.prepare(active('1'))
    const driver = native(directory)
    await driver.prepare(active('2'))
    const inside = join(directory, '2/fs/a')
    await mkdir(inside)
    for (const path of ['frozen', 'frozen/deeper']) await run('btrfs', ['subvolume', 'create', join(inside, path)])
    await writeFile(join(inside, 'frozen/deeper/file'), '')
    for (const path of ['frozen/deeper', 'frozen']) await run('btrfs', ['property', 'set', join(inside, path), 'ro', 'true'])
    await driver.remove('2')
    await driver.sweep()
    expect(await readdir(join(directory, 'removing'))).toEqual([])
    expect(await subvolumes(directory)).toBe(1)
  })

  test('subvolumes a container made are as directories: committed, stood on, measured, whatever their names', async () => {
    const { driver, fs } = await fresh()
    const odd = Buffer.from([0x6f, 0xff, 0x64])
    await driver.prepare(active('1'))
    await mkdir(join(fs('1'), 'a'))
    await run('btrfs', ['subvolume', 'create', join(fs('1'), 'a/inside')])
    await mkdir(join(fs('1'), 'a/inside/b'))
    await run('sh', ['-c', 'btrfs subvolume create "$(printf "%s/o\\377d" "$1")"', 'sh', join(fs('1'), 'a/inside/b')])
    await writeFile(Buffer.concat([Buffer.from(`${fs('1')}/a/inside/b/`), odd, Buffer.from('/file')]), Buffer.alloc(3 * MiB, 'text'))
    await driver.commit(active('1'), [])
    await expect(writeFile(join(fs('1'), 'a/inside/b/more'), '')).rejects.toMatchObject({ code: 'EROFS' })
    expect(Math.round((await driver.usage({ ...active('1'), kind: 'committed' })).size / MiB)).toBe(3)

    await driver.prepare(active('2', '1'))
    const deep = Buffer.concat([Buffer.from(`${fs('2')}/a/inside/b/`), odd])
    expect(await readdir(deep)).toEqual(['file'])
    expect(await driver.usage(active('2', '1'))).toEqual({ size: 0, inodes: 0 })
    await writeFile(Buffer.concat([deep, Buffer.from('/more')]), Buffer.alloc(MiB, 'more'))
    expect(await driver.usage(active('2', '1'))).toEqual({ size: MiB, inodes: 1 })
    await driver.commit(active('2', '1'), [])
    await driver.prepare(active('3', '2'))
    expect(await readdir(join(fs('3'), 'a/inside/b'), { encoding: 'buffer' })).toEqual([odd])
  })

  test('usage is what was written to it since: not what it changed nothing of, and the same once others stand on it', async () => {
    const { driver, fs } = await fresh()
    await driver.prepare(active('1'))
    const empty = await driver.usage(active('1'))
    expect(empty).toEqual({ size: 0, inodes: 1 })
    await writeFile(join(fs('1'), 'file'), Buffer.alloc(4 * MiB, 'text'))
    await link(join(fs('1'), 'file'), join(fs('1'), 'same'))
    await run('cp', ['--reflink=always', join(fs('1'), 'file'), join(fs('1'), 'twin')])
    await writeFile(join(fs('1'), 'small'), 'ten bytes.')
    const full = await driver.usage(active('1'))
    expect(full).toEqual({ size: 4 * MiB + 10, inodes: 4 })
    await driver.commit(active('1'), [])
    await driver.prepare(active('2', '1'))
    expect(await driver.usage({ ...active('1'), kind: 'committed' })).toEqual(full)
    expect(await driver.usage(active('2', '1'))).toEqual({ size: 0, inodes: 0 })

    await run('dd', ['if=/dev/zero', `of=${join(fs('2'), 'file')}`, 'bs=1M', 'count=1', 'conv=notrunc'])
    await mkdir(join(fs('2'), 'directory'))
    await run('cp', ['--reflink=always', join(fs('2'), 'twin'), join(fs('2'), 'third')])
    const changed = await driver.usage(active('2', '1'))
    expect(changed).toEqual({ size: MiB, inodes: 3 })
    expect(await driver.usage(view('3', '1'))).toEqual({ size: 0, inodes: 0 })
  })

  test('thousands of files are measured whole', async () => {
    const { driver, fs } = await fresh()
    await driver.prepare(active('1'))
    await run('sh', ['-c', 'cd "$1"; mkdir d; seq 1 5000 | (cd d; xargs touch); printf %s "$(seq 1 300)" > big; cp big d/1', 'sh', fs('1')])
    const length = (await readFile(join(fs('1'), 'big'))).length
    expect(await driver.usage(active('1'))).toEqual({ size: 2 * length, inodes: 5003 })
  })

  test('a full disk is said to be one, and nothing is left of what did not fit', async () => {
    await using small = await openLoop('btrfs', { size: 128 * MiB })
    await using directory = await tempDirectory()
    const at = join(directory.path, 'snapshots/btrfs')
    await mkdir(at, { recursive: true })
    await using _disk = await mountAll([{ type: 'bind', source: small.path, options: ['rbind'] }], at)
    await using room = await openSnapshotRoom({ driver: 'btrfs', root: directory.path, mounted: [at] })
    await room.layer('one', undefined)
    const { mounts } = await room.ask.prepare({ key: 'a', parent: 'one' })
    const failure = await room.at(mounts, (at) => writeFile(join(at, 'file'), Buffer.alloc(200 * MiB)).catch((error: unknown) => error))
    expect(failure).toMatchObject({ code: 'ENOSPC' })
    await room.ask.remove({ key: 'a' })
    expect((await room.ask.list({})).snapshots.map(({ key }) => key)).toEqual(['one'])
  })

  test('it gives up when told to', async () => {
    const { driver, fs } = await fresh()
    const signal = AbortSignal.abort()
    await driver.prepare(active('1'))
    const outcomes = await Promise.allSettled([
      driver.probe({ signal }),
      driver.prepare(active('2'), { signal }),
      driver.commit(active('1'), [], { signal }),
      driver.usage(active('1'), { signal }),
    ])
    expect(outcomes).toEqual(outcomes.map(() => ({ status: 'rejected', reason: expect.objectContaining({ name: 'AbortError' }) })))
    await writeFile(join(fs('1'), 'still'), '')
    await driver.remove('1')
    await expect(driver.sweep({ signal })).rejects.toMatchObject({ code: 'cancelled' })
  })
})
