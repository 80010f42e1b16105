import { mkdir, readdir, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { mountAll, mountedUnder, unmount } from '../../runtime/mounts.ts'
import { run } from '../../runtime/processes.ts'
import { tempDirectory } from '../support/temp.ts'

/** A directory with empty ones in it, without a mount left in it at the end. */
async function ground(...names: string[]) {
  const directory = await tempDirectory()
  for (const name of names) await mkdir(join(directory.path, name), { recursive: true })
  return {
    at: (name: string) => join(directory.path, name),
    async [Symbol.asyncDispose]() {
      const left = await mountedUnder(directory.path)
      for (const { at } of left) await unmount(at)
      await directory[Symbol.asyncDispose]()
      expect(left).toEqual([])
    },
  }
}

const bind = (source: string, ...options: string[]) => ({ type: 'bind', source, options: ['rbind', ...options] })

test('a mount is there until it is disposed of', async () => {
  await using it = await ground('source', 'target')
  await writeFile(it.at('source/file'), '')
  {
    await using _mounted = await mountAll([bind(it.at('source'))], it.at('target'))
    expect(await readdir(it.at('target'))).toEqual(['file'])
    await writeFile(it.at('target/more'), '')
    expect((await mountedUnder(it.at('target'))).map(({ at }) => at)).toEqual([it.at('target')])
  }
  expect(await readdir(it.at('target'))).toEqual([])
})

test('a bind is read-only, and all else, when it says so', async () => {
  await using it = await ground('source', 'target')
  await using _mounted = await mountAll([bind(it.at('source'), 'ro', 'nosuid', 'nodev', 'noexec')], it.at('target'))
  await expect(writeFile(it.at('target/file'), '')).rejects.toMatchObject({ code: 'EROFS' })
  const [mounted] = await mountedUnder(it.at('target'))
  expect(mounted?.options).toEqual(expect.arrayContaining(['ro', 'nosuid', 'nodev', 'noexec']))
  await writeFile(it.at('source/file'), '')
})

test('the later of two options wins', async () => {
  await using it = await ground('source', 'target')
  await using _mounted = await mountAll([bind(it.at('source'), 'ro', 'rw')], it.at('target'))
  await writeFile(it.at('target/file'), '')
})

test('options that are no flags are the file system’s', async () => {
  await using it = await ground('target')
  await using _mounted = await mountAll([{ type: 'tmpfs', source: 'mine', options: ['size=1m', 'mode=0711', 'nosuid'] }], it.at('target'))
  expect((await stat(it.at('target'))).mode & 0o7777).toBe(0o711)
  expect(await mountedUnder(it.at('target'))).toMatchObject([
    { type: 'tmpfs', source: 'mine', options: expect.arrayContaining(['size=1024k']) },
  ])
})

test('of several none is left when one fails', async () => {
  await using it = await ground('source', 'target')
  const mounts = [bind(it.at('source')), { type: 'no-such-type', source: 'x', options: [] }]
  await expect(mountAll(mounts, it.at('target'))).rejects.toMatchObject({
    code: 'unimplemented',
    message: `mount no-such-type x at ${it.at('target')}: no such device`,
  })
})

test('what is missing is said', async () => {
  await using it = await ground('source')
  await expect(mountAll([bind(it.at('source'))], it.at('none'))).rejects.toMatchObject({ code: 'not_found' })
  await expect(mountAll([bind(it.at('none'))], it.at('source'))).rejects.toMatchObject({ code: 'not_found' })
})

test('unmounting takes away all that is there, and minds nothing that is not', async () => {
  await using it = await ground('source', 'target')
  for (let n = 0; n < 3; n++) await mountAll([bind(it.at('source'))], it.at('target'))
  await unmount(it.at('target'))
  await unmount(it.at('target'))
  await unmount(it.at('none'))
  expect(await mountedUnder(it.at('target'))).toEqual([])
})

test('who may not unmount minds nothing that is not there either, and is refused what is', async () => {
  await using it = await ground('source', 'target', 'other')
  await using _mounted = await mountAll([bind(it.at('source'))], it.at('target'))
  const source = JSON.stringify(join(import.meta.dirname, '../../runtime/mounts.ts'))
  const script = `
    import { unmount } from ${source}
    const said = async (at) => unmount(at).then(() => 'nothing', ({ code }) => code)
    process.stdout.write([await said(process.argv[1]), await said(process.argv[2])].join())`
  const words = [process.execPath, '--input-type=module', '--eval', script, it.at('other'), it.at('target')]
  const { stdout } = await run('setpriv', ['--bounding-set=-sys_admin', '--inh-caps=-sys_admin', ...words])
  expect(stdout).toBe('nothing,permission_denied')
})

test('a mount in use is gone from sight at once', async () => {
  await using it = await ground('source/sub', 'target')
  await mountAll([bind(it.at('source'))], it.at('target'))
  await mountAll([bind(it.at('source'))], it.at('target/sub'))
  expect((await mountedUnder(it.at('target'))).map(({ at }) => at)).toEqual([it.at('target/sub'), it.at('target')])
  await unmount(it.at('target'))
  expect(await mountedUnder(it.at('target'))).toEqual([])
})

test('odd names are themselves', async () => {
  await using it = await ground('a b\t\\n,:', 'c d\n\\040')
  await using _mounted = await mountAll([bind(it.at('a b\t\\n,:'))], it.at('c d\n\\040'))
  expect((await mountedUnder(it.at('c d\n\\040'))).map(({ at }) => at)).toEqual([it.at('c d\n\\040')])
})

test('a neighbour with a longer name is no part of it', async () => {
  await using it = await ground('source', 'x', 'xy')
  await using _mounted = await mountAll([bind(it.at('source'))], it.at('xy'))
  expect(await mountedUnder(it.at('x'))).toEqual([])
})

test('mounting gives up when told to', async () => {
  await using it = await ground('source', 'target')
  await expect(mountAll([bind(it.at('source'))], it.at('target'), { signal: AbortSignal.abort() })).rejects.toMatchObject({
    name: 'AbortError',
  })
})
