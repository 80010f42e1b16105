import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { mountAll, mountedUnder } from '../../runtime/mounts.ts'
import { layered } from '../support/layered.ts'

test('two hundred layers of a root with a long path are mounted, each by its own name', async () => {
  await using it = await layered(200, { long: 130 })
  await using _mounted = await mountAll([it.active], it.at)
  expect(await readdir(it.at)).toHaveLength(200)
  expect(await readFile(join(it.at, '0'), 'utf8')).toBe('0')
  await writeFile(join(it.at, 'new'), '')
  expect(await readdir(join(it.root, 'upper'))).toEqual(['new'])
  const [mounted] = await mountedUnder(it.at)
  expect(mounted).toMatchObject({ type: 'overlay', source: 'overlay' })
  expect(mounted?.options).toContain(`lowerdir+=${it.layers[199]}`)
})

test('the topmost layer is the one shown', async () => {
  await using it = await layered(150, { long: 130 })
  for (const n of [3, 70, 149]) await writeFile(join(it.layers[n] ?? '', 'file'), `of ${n}`)
  await using _mounted = await mountAll([it.view], it.at)
  expect(await readFile(join(it.at, 'file'), 'utf8')).toBe('of 149')
})

test('flags are kept: nothing is written where it says so', async () => {
  await using it = await layered(150, { long: 130 })
  const { options } = it.active
  const flags = ['ro', 'nosuid', 'nodev', 'noexec', 'noatime', 'nodiratime']
  await using _mounted = await mountAll([{ ...it.active, options: [...flags, ...options] }], it.at)
  await expect(writeFile(join(it.at, 'new'), '')).rejects.toMatchObject({ code: 'EROFS' })
  const [mounted] = await mountedUnder(it.at)
  expect(mounted?.options).toEqual(expect.arrayContaining(flags))
})

test('paths too long for an option, and of any characters, are taken', async () => {
  await using it = await layered(3, { long: 300, name: 'a,b:c\\d "e" f' })
  await using _mounted = await mountAll([it.active], it.at)
  await writeFile(join(it.at, 'new'), '')
  expect(await readdir(it.at)).toEqual(['0', '1', '2', 'new'])
  expect(await readdir(join(it.root, 'upper'))).toEqual(['new'])
})

test('five hundred layers are the most there can be, and the kernel’s own words say so', async () => {
  await using it = await layered(501)
  const lowerdir = (count: number) => [`lowerdir=${it.layers.slice(0, count).join(':')}`]
  {
    await using _mounted = await mountAll([{ ...it.view, options: lowerdir(500) }], it.at)
    expect(await readdir(it.at)).toHaveLength(500)
  }
  await expect(mountAll([{ ...it.view, options: lowerdir(501) }], it.at)).rejects.toMatchObject({
    code: 'invalid_argument',
    message: `mount overlay overlay at ${it.at}: too many lower directories; limit is 500`,
  })
  expect(await mountedUnder(it.root)).toEqual([])
})

test('a layer that is missing, an option there is not and a place that is none are said to be', async () => {
  await using it = await layered(150, { long: 130 })
  const mounting = async (options: readonly string[], at = it.at) => await mountAll([{ ...it.view, options }], at)
  const missing = it.view.options.map((option) => option.replace('/149/fs', '/none/fs'))
  await expect(mounting(missing)).rejects.toMatchObject({ code: 'not_found' })
  await expect(mounting([...it.view.options, 'no-such-option=1'])).rejects.toMatchObject({
    code: 'invalid_argument',
    message: expect.stringMatching(/no-such-option/),
  })
  await expect(mounting(it.view.options, join(it.root, 'none'))).rejects.toMatchObject({ code: 'not_found' })
  await mkdir(join(it.root, 'sane'))
  await using _mounted = await mounting(it.view.options, join(it.root, 'sane'))
  expect((await mountedUnder(it.root)).map(({ at }) => at)).toEqual([join(it.root, 'sane')])
})
