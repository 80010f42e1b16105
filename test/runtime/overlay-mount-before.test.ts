/** As on a kernel that has no option for a single layer. */
import { readdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, test, vi } from 'vitest'
import { mountAll, mountedUnder } from '../../runtime/mounts.ts'
import { SystemError } from '../../runtime/syscalls/index.ts'
import { layered } from '../support/layered.ts'

vi.mock(import('../../runtime/syscalls/index.ts'), async (original) => {
  const real = await original()
  return {
    ...real,
    fsconfig: (context: number, key: string, value?: string) => {
      if (key === 'lowerdir+') throw new SystemError(22, 'fsconfig')
      real.fsconfig(context, key, value)
    },
  }
})

test('two hundred layers of a root with a long path are mounted all the same', async () => {
  await using it = await layered(200, { long: 130 })
  await using _mounted = await mountAll([it.active], it.at)
  await writeFile(join(it.at, 'new'), '')
  expect(await readdir(it.at)).toHaveLength(201)
  expect(await readdir(join(it.root, 'upper'))).toEqual(['new'])
})

test('more than a page can name are refused, not cut', async () => {
  await using it = await layered(300, { long: 130 })
  await expect(mountAll([it.active], it.at)).rejects.toMatchObject({
    code: 'unimplemented',
    message: `mount overlay at ${it.at}: before Linux 6.7 its 300 layers are too many for one mount`,
  })
  expect(await mountedUnder(it.root)).toEqual([])
})
