import { execFile } from 'node:child_process'
import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { describe, expect, test } from 'vitest'
import type { Mount } from '../../../messages/snapshot.ts'
import { mountLines } from '../../../ops/command/mount-lines.ts'
import { unmount } from '../../../runtime/mounts.ts'
import { layered } from '../../support/layered.ts'
import { tempDirectory } from '../../support/temp.ts'

const overlay = (...options: string[]): Mount => ({ type: 'overlay', source: 'overlay', options })

test('an overlay is one command of words a shell takes as they are', () => {
  expect(mountLines([overlay('index=off', 'lowerdir=/r/2/fs:/r/1/fs', 'upperdir=/r/3/fs', 'workdir=/r/3/work')], '/mnt')).toEqual([
    'mount -t overlay -o index=off,lowerdir=/r/2/fs:/r/1/fs,upperdir=/r/3/fs,workdir=/r/3/work overlay /mnt',
  ])
})

test('what is bound has no type, and without a target a command ends where it goes', () => {
  expect(mountLines([{ type: 'bind', source: '/r/1/fs', options: ['ro', 'rbind'] }])).toEqual(['mount -o ro,rbind /r/1/fs'])
})

test('a path with a meaning to a shell is quoted', () => {
  const source = `/a b/$HOME/it's/\`x\`/"y"`
  expect(mountLines([{ type: 'bind', source, options: ['rbind'] }])).toEqual([`mount -o rbind '/a b/$HOME/it'\\''s/\`x\`/"y"'`])
})

test('more layers than a page has room for even by their shortest names are refused with a word of what they are', () => {
  const many = Array.from({ length: 500 }, (_, at) => `/r/layer-${at}/fs`)
  expect(() => mountLines([overlay(`lowerdir=${many.join(':')}`)])).toThrow(
    'mount overlay by mount(8): its 500 layers are more than a page of options has room for',
  )
})

describe.runIf(process.getuid?.() === 0)('pasted into a shell', () => {
  /** Run it as a person would, look, and take it away. */
  async function shown(mounts: Mount[], at: string, look: () => Promise<unknown> = () => readdir(at)): Promise<unknown> {
    for (const line of mountLines(mounts, at)) await promisify(execFile)('sh', ['-c', line])
    try {
      return await look()
    } finally {
      await unmount(at)
    }
  }
  const numbers = (count: number) => Array.from({ length: count }, (_, n) => String(n)).toSorted()

  test('it mounts what is to be written, whatever its path looks like', async () => {
    await using there = await layered(3, { name: `it's a, b: c\\d $x` })
    await shown([there.active], there.at, async () => {
      expect((await readdir(there.at)).toSorted()).toEqual(numbers(3))
      await writeFile(join(there.at, 'new'), 'new')
    })
    expect(await readFile(join(there.root, 'upper', 'new'), 'utf8')).toBe('new')
  })

  test('a hundred and fifty layers are named from the directory they lie in', async () => {
    await using there = await layered(150, { name: 'with space, and: more' })
    expect(mountLines([there.active])[0]).toMatch(/^env -C '/)
    expect(await shown([there.active], there.at).then((names) => (names as string[]).toSorted())).toEqual(numbers(150))
  })

  test('a bind is read-only when it says so', async () => {
    await using directory = await tempDirectory()
    const [source, at] = [join(directory.path, 'source'), join(directory.path, 'at')]
    for (const path of [source, at]) await mkdir(path)
    await writeFile(join(source, 'file'), '')
    const look = async () => await Promise.allSettled([readdir(at), writeFile(join(at, 'file'), 'x')])
    expect(await shown([{ type: 'bind', source, options: ['ro', 'rbind'] }], at, look)).toEqual([
      { status: 'fulfilled', value: ['file'] },
      { status: 'rejected', reason: expect.objectContaining({ code: 'EROFS' }) },
    ])
  })
})
