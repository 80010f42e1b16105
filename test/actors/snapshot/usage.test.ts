import { link, mkdir, truncate, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { measure } from '../../../actors/snapshot/usage.ts'
import { run } from '../../../runtime/processes.ts'
import { named, openLoop, whyNoLoop } from '../../support/loop.ts'
import { tempDirectory } from '../../support/temp.ts'

const MiB = 1 << 20
const bytes = (size: number) => Buffer.alloc(size, 'of this file')
const copy = async (from: string, to: string) => expect((await run('cp', ['-a', '--reflink=always', from, to])).stderr).toBe('')

test('blocks count, not lengths; a file of several names once; the root itself', async () => {
  await using directory = await tempDirectory()
  const at = directory.path
  const { size: empty } = await measure(at)
  expect(await measure(at)).toEqual({ size: empty, inodes: 1 })
  await writeFile(join(at, 'file'), bytes(MiB))
  await link(join(at, 'file'), join(at, 'same'))
  await writeFile(join(at, 'hole'), '')
  await truncate(join(at, 'hole'), 100 * MiB)
  await mkdir(join(at, 'directory'))
  const { size, inodes } = await measure(at)
  expect(inodes).toBe(4)
  expect(size - empty).toBeGreaterThanOrEqual(MiB)
  expect(size - empty).toBeLessThan(1.1 * MiB)
})

test('it gives up when told to', async () => {
  await using directory = await tempDirectory()
  await expect(measure(directory.path, { signal: AbortSignal.abort() })).rejects.toMatchObject({ name: 'AbortError' })
})

test('what is not there is said to be missing', async () => {
  await using directory = await tempDirectory()
  await expect(measure(join(directory.path, 'none'))).rejects.toMatchObject({
    code: 'not_found',
    message: expect.stringMatching(/^measure /),
  })
})

for (const kind of ['btrfs', 'xfs'] as const) {
  const why = await whyNoLoop(kind)
  test.skipIf(why !== undefined)(named(`shared data counts once, and what was there before not at all: ${kind}`, why), async () => {
    await using loop = await openLoop(kind)
    const at = (name: string) => join(loop.path, name)
    await mkdir(at('ground'))
    await writeFile(at('ground/file'), bytes(4 * MiB))
    await copy(at('ground/file'), at('ground/again'))
    const before = await measure(at('ground'))
    expect(Math.round(before.size / MiB)).toBe(4)

    await copy(at('ground'), at('child'))
    expect(await measure(at('ground'))).toEqual(before)
    const untouched = await measure(at('child'), { ground: [at('ground')] })
    expect(untouched.inodes).toBe(3)
    expect(untouched.size).toBeLessThan(MiB / 8)

    // The first quarter of a file that was shared, and a file of its own twice.
    await run('dd', ['if=/dev/zero', `of=${at('child/file')}`, 'bs=1M', 'count=1', 'conv=notrunc'])
    await writeFile(at('child/own'), bytes(2 * MiB))
    await copy(at('child/own'), at('child/twin'))
    expect(Math.round((await measure(at('child'), { ground: [at('ground')] })).size / MiB)).toBe(3)
    expect(await measure(at('ground'))).toEqual(before)
    expect(Math.round((await measure(at('child'))).size / MiB)).toBe(7)
  })
}
