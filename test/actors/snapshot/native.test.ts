import { execFile } from 'node:child_process'
import { mkdir, readdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { expect, test } from 'vitest'
import { native } from '../../../actors/snapshot/native.ts'
import { mountAll } from '../../../runtime/mounts.ts'
import { failureOf, openSnapshotRoom } from '../../support/snapshots.ts'
import { tempDirectory } from '../../support/temp.ts'

const run = promisify(execFile)
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

/** What `script` says, run with the driver in a process started by `command`. */
async function asOther(command: string, args: string[], directory: string, script: string): Promise<unknown> {
  const source = join(import.meta.dirname, '../../../actors/snapshot/native.ts')
  const whole = `
    import { native } from ${JSON.stringify(source)}
    import { chmod, mkdir, readdir, writeFile } from 'node:fs/promises'
    const driver = native(${JSON.stringify(directory)})
    const at = ${JSON.stringify(directory)}
    ${script}`
  const { stdout } = await run(command, [...args, process.execPath, '--input-type=module', '--eval', whole])
  return JSON.parse(stdout)
}

const say = (what: string) => `process.stdout.write(JSON.stringify(${what}))`

test('who may not mount can have them, and is told what that means', async () => {
  await using directory = await tempDirectory()
  const without = ['--bounding-set=-sys_admin', '--inh-caps=-sys_admin']
  expect(await asOther('setpriv', without, directory.path, `await driver.probe(); ${say('driver.found')}`)).toMatch(
    /^every snapshot is a (whole )?copy.*; this user may not mount them, so they can be filled and read where they lie, and run no container$/,
  )
  const driver = native(directory.path)
  await driver.probe()
  expect(driver.found).toMatch(/^every snapshot is a (whole )?copy[^;]*$/)
})

test('an ordinary user can have them, and nothing of what he removed is left, whatever its mode', async () => {
  await using directory = await tempDirectory()
  await run('chmod', ['777', directory.path])
  const user = ['--reuid=65534', '--regid=65534', '--clear-groups', '--inh-caps=-all', '--bounding-set=-all']
  const outcome = await asOther(
    'setpriv',
    user,
    join(directory.path, 'native'),
    `await driver.probe()
    const [one, two] = [{ id: '1', kind: 'active', ancestors: [] }, { id: '2', kind: 'active', ancestors: ['1'] }]
    await driver.prepare(one)
    await mkdir(at + '/1/fs/closed/inside', { recursive: true })
    await writeFile(at + '/1/fs/closed/inside/file', 'text')
    await chmod(at + '/1/fs/closed/inside', 0o500)
    await chmod(at + '/1/fs/closed', 0o555)
    await driver.commit(one, [])
    await driver.prepare(two)
    const seen = await readdir(at + '/2/fs/closed/inside')
    const { inodes } = await driver.usage(two)
    for (const id of ['2', '1']) await driver.remove(id)
    await driver.sweep()
    ${say("{ found: driver.found, seen, inodes, left: [...(await driver.ids()), ...(await readdir(at + '/removing'))] }")}`,
  )
  expect(outcome).toEqual({
    found: expect.stringMatching(/may not mount.*; this user cannot give files to others, so owners are not kept$/),
    seen: ['file'],
    inodes: 4,
    left: [],
  })
})
