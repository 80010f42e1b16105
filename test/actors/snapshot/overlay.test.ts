import { execFile, spawnSync } from 'node:child_process'
import { mkdir, readdir, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { expect, test } from 'vitest'
import { overlay } from '../../../actors/snapshot/overlay.ts'
import { mountLines } from '../../../ops/command/mount-lines.ts'
import { mountAll, mountedUnder, unmount } from '../../../runtime/mounts.ts'
import { failureOf } from '../../support/snapshots.ts'
import { tempDirectory } from '../../support/temp.ts'

const run = promisify(execFile)
const active = (id: string, ...ancestors: string[]) => ({ id, kind: 'active', ancestors }) as const
const view = (id: string, ...ancestors: string[]) => ({ id, kind: 'view', ancestors }) as const

async function probed(directory: string) {
  const driver = overlay(directory)
  await driver.probe()
  return driver
}

test('mounts are exactly these', async () => {
  await using directory = await tempDirectory()
  const at = directory.path
  const driver = await probed(at)
  expect(driver.mounts(active('1'))).toEqual([{ type: 'bind', source: `${at}/1/fs`, options: ['rw', 'rbind'] }])
  expect(driver.mounts(view('2', '1'))).toEqual([{ type: 'bind', source: `${at}/1/fs`, options: ['ro', 'rbind'] }])
  const plain = ['index=off', 'redirect_dir=nofollow', 'metacopy=off']
  expect(driver.mounts(view('3', '2', '1'))).toEqual([
    { type: 'overlay', source: 'overlay', options: [...plain, `lowerdir=${at}/2/fs:${at}/1/fs`] },
  ])
  expect(driver.mounts(active('3', '2', '1'))).toEqual([
    {
      type: 'overlay',
      source: 'overlay',
      options: [...plain, `lowerdir=${at}/2/fs:${at}/1/fs`, `upperdir=${at}/3/fs`, `workdir=${at}/3/work`],
    },
  ])
})

test('layers are applied into a directory without a parent, through a mount with one', async () => {
  await using directory = await tempDirectory()
  const driver = await probed(directory.path)
  expect(driver.target(active('1'))).toEqual({ kind: 'directory', path: `${directory.path}/1/fs`, whiteouts: 'overlay' })
  expect(driver.target(active('2', '1'))).toEqual({ kind: 'mount', mounts: driver.mounts(active('2', '1')) })
})

test('preparing again what was half prepared begins anew', async () => {
  await using directory = await tempDirectory()
  const driver = await probed(directory.path)
  await mkdir(join(directory.path, '1/fs'), { recursive: true, mode: 0o700 })
  await writeFile(join(directory.path, '1/fs/half'), '')
  await driver.prepare(active('1'))
  await driver.prepare(active('1'))
  expect(await readdir(join(directory.path, '1/fs'))).toEqual([])
  expect((await stat(join(directory.path, '1'))).mode & 0o777).toBe(0o700)
  expect((await readdir(join(directory.path, 'removing'))).length).toBe(2)
  await driver.sweep()
  expect(await readdir(join(directory.path, 'removing'))).toEqual([])
})

test('a sweep takes away what is mounted there first, and touches nothing of it', async () => {
  await using directory = await tempDirectory()
  await using elsewhere = await tempDirectory()
  await writeFile(join(elsewhere.path, 'precious'), '')
  const driver = await probed(directory.path)
  await driver.prepare(active('1'))
  await mkdir(join(directory.path, '1/fs/mnt'))
  await using _mounted = await mountAll([{ type: 'bind', source: elsewhere.path, options: ['rbind'] }], join(directory.path, '1/fs/mnt'))
  await driver.remove('1')
  await driver.remove('1')
  await driver.sweep()
  expect(await readdir(join(directory.path, 'removing'))).toEqual([])
  expect(await readdir(elsewhere.path)).toEqual(['precious'])
  expect(await mountedUnder(directory.path)).toEqual([])
})

test('layers can be in a directory of any name', async () => {
  await using parent = await tempDirectory()
  const directory = join(parent.path, 'a,b:c\\d "e" f')
  const driver = await probed(directory)
  for (const id of ['1', '2']) {
    await driver.prepare(active(id))
    await writeFile(join(directory, id, 'fs', id), '')
  }
  await driver.prepare(active('3', '2', '1'))
  await mkdir(join(parent.path, 'at'))
  await using _mounted = await mountAll(driver.mounts(active('3', '2', '1')), join(parent.path, 'at'))
  await writeFile(join(parent.path, 'at/3'), '')
  expect(await readdir(join(parent.path, 'at'))).toEqual(['1', '2', '3'])
  expect(await readdir(join(directory, '3/fs'))).toEqual(['3'])
})

test('the worked example of the manual is true', async () => {
  await using directory = await tempDirectory()
  const driver = await probed(join(directory.path, 'overlay'))
  await driver.prepare(active('1'))
  await driver.prepare(active('2'))
  const [one, two] = ['1', '2'].map((id) => driver.target(active(id)))
  if (one?.kind !== 'directory' || two?.kind !== 'directory') throw new Error('layers are applied into directories')
  await mkdir(join(two.path, 'etc'))
  await writeFile(join(two.path, 'etc/passwd'), '')
  await mkdir(join(one.path, 'etc'), { mode: 0o711 })
  await driver.commit(active('1'), [])
  await driver.commit(active('2', '1'), ['etc'])
  await driver.prepare(active('3', '2', '1'))
  await mkdir(join(directory.path, 'at'))
  {
    await using _mounted = await mountAll(driver.mounts(active('3', '2', '1')), join(directory.path, 'at'))
    expect(await readdir(join(directory.path, 'at/etc'))).toEqual(['passwd'])
    expect((await stat(join(directory.path, 'at/etc'))).mode & 0o777).toBe(0o711)
  }
  await driver.remove('3')
  expect(await driver.ids()).toEqual(['1', '2'])
  await driver.sweep()
})

test('two hundred layers below a long path are mounted by us, and by hand', async () => {
  await using parent = await tempDirectory()
  const [root, at] = [join(parent.path, 'x'.repeat(120)), join(parent.path, 'at')]
  const driver = await probed(root)
  await mkdir(at)
  const ancestors = Array.from({ length: 200 }, (_, n) => String(200 - n))
  for (const id of ancestors) {
    await driver.prepare(active(id))
    await writeFile(join(root, id, 'fs', id), '')
  }
  await driver.prepare(active('201', ...ancestors))
  for (const layer of [active('201', ...ancestors), view('202', ...ancestors)]) {
    const mounts = driver.mounts(layer)
    expect(String(mounts[0]?.options).length).toBeGreaterThan(25_000)
    {
      await using _mounted = await mountAll(mounts, at)
      expect(await readdir(at)).toHaveLength(200)
    }
    for (const line of mountLines(mounts, at)) await run('sh', ['-c', line])
    expect(await readdir(at)).toHaveLength(200)
    await unmount(at)
  }
}, 30_000)

test('more layers than the kernel lays over each other are refused before anything is made', async () => {
  await using directory = await tempDirectory()
  const driver = await probed(directory.path)
  const ancestors = Array.from({ length: 501 }, (_, n) => String(n + 1))
  for (const layer of [active('502', ...ancestors), view('502', ...ancestors)])
    expect(await failureOf(driver.prepare(layer))).toEqual({
      code: 'failed_precondition',
      message: 'prepare snapshot 502: of 501 layers, and overlayfs shows 500',
    })
  expect(await driver.ids()).toEqual([])
})

test('a node that died while it tried its mounts leaves none: the next sweep takes them away', async () => {
  await using directory = await tempDirectory()
  const driver = await probed(directory.path)
  const { pid } = spawnSync('true')
  const scratch = join(directory.path, 'removing', `scratch-${pid}-0`)
  for (const name of ['lower', 'upper', 'work', 'at']) await mkdir(join(scratch, name), { recursive: true })
  const options = ['lower', 'upper', 'work'].map((name) => `${name === 'lower' ? 'lowerdir' : `${name}dir`}=${join(scratch, name)}`)
  await mountAll([{ type: 'overlay', source: 'overlay', options }], join(scratch, 'at'))
  await driver.sweep()
  expect(await mountedUnder(directory.path)).toEqual([])
  expect(await readdir(join(directory.path, 'removing'))).toEqual([])
})

/** What the probe of a driver says, in a process started by `command`. */
async function probeBy(command: string, args: string[], driver: 'overlay', directory: string): Promise<unknown> {
  const script = `
    import { ${driver} } from ${JSON.stringify(join(import.meta.dirname, `../../../actors/snapshot/${driver}.ts`))}
    const driver = ${driver}(${JSON.stringify(directory)})
    const outcome = await driver.probe().then(() => ({ rebase: driver.rebase }), ({ code, message }) => ({ code, message }))
    process.stdout.write(JSON.stringify(outcome))`
  const { stdout } = await run(command, [...args, process.execPath, '--input-type=module', '--eval', script])
  return JSON.parse(stdout)
}

test('who may not mount is told so', async () => {
  await using directory = await tempDirectory()
  await run('chmod', ['777', directory.path])
  const without = ['--bounding-set=-sys_admin', '--inh-caps=-sys_admin']
  const outcome = await probeBy('setpriv', without, 'overlay', join(directory.path, 'overlay'))
  expect(outcome).toMatchObject({
    code: 'permission_denied',
    message: expect.stringMatching(/^use overlay snapshots: this user may not mount/),
  })
  expect(await readdir(join(directory.path, 'overlay', 'removing'))).toEqual([])
})

test('in a user namespace it works with attributes of users', async (context) => {
  await using directory = await tempDirectory()
  const outcome = await probeBy('unshare', ['--user', '--map-root-user', '--mount'], 'overlay', directory.path).catch(
    (error: unknown) => error,
  )
  if (outcome instanceof Error) return context.skip('this machine has no user namespaces')
  expect(outcome).toEqual({ rebase: true })
})

test('a file system that cannot be below it is said to be one', async () => {
  await using directory = await tempDirectory()
  const [lower, upper, work, at] = ['lower', 'upper', 'work', 'at'].map((name) => join(directory.path, name)) as [
    string,
    string,
    string,
    string,
  ]
  for (const path of [lower, upper, work, at]) await mkdir(path)
  const options = [`lowerdir=${lower}`, `upperdir=${upper}`, `workdir=${work}`]
  await using _mounted = await mountAll([{ type: 'overlay', source: 'overlay', options }], at)
  expect(await failureOf(overlay(join(at, 'overlay')).probe())).toEqual({
    code: 'unimplemented',
    message: 'use overlay snapshots: overlayfs cannot be laid over this file system; the kernel log says why',
  })
})

test('it gives up when told to', async () => {
  await using directory = await tempDirectory()
  const driver = await probed(directory.path)
  const signal = AbortSignal.abort()
  await driver.prepare(active('1'))
  for (const attempt of [
    driver.prepare(active('2'), { signal }),
    driver.commit(active('1'), [], { signal }),
    driver.usage(active('1'), { signal }),
  ])
    await expect(attempt).rejects.toMatchObject({ name: 'AbortError' })
  await expect(overlay(directory.path).probe({ signal })).rejects.toMatchObject({ name: 'AbortError' })
  await driver.remove('1')
  await expect(driver.sweep({ signal })).rejects.toMatchObject({ code: 'cancelled' })
})
