import {
  chmodSync,
  closeSync,
  linkSync,
  lstatSync,
  mkdirSync,
  openSync,
  rmdirSync,
  rmSync,
  unlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { mountAll } from '../../../../runtime/mounts.ts'
import { lsetxattr, mknodat, S } from '../../../../runtime/syscalls/index.ts'
import { isRoot } from '../applying.ts'
import { type Pair, pair } from './comparing.ts'

const diff = (two: Pair, init: Parameters<Pair['diff']>[0] = {}) => two.diff({ finder: 'overlay', ...init })
const set = (path: string, name: string, value: string): void => lsetxattr(path, name, Buffer.from(value))

/** Do something where the upper directory lies over the lower. */
async function over(two: Pair, work: (at: (path: string) => string) => unknown): Promise<void> {
  const [merged, own] = [join(two.base, 'merged'), join(two.base, 'work')]
  for (const path of [merged, own]) mkdirSync(path)
  const options = ['index=off', 'redirect_dir=nofollow', 'metacopy=off', `lowerdir=${two.lower}`, `upperdir=${two.upper}`, `workdir=${own}`]
  try {
    await using _ = await mountAll([{ type: 'overlay', source: 'overlay', options }], merged)
    await work((path) => join(merged, path))
  } finally {
    rmdirSync(merged)
  }
}

describe.runIf(isRoot)('what the kernel kept', () => {
  test('is nothing when nothing was changed, though it was copied up', async () => {
    using two = pair()
    mkdirSync(join(two.lower, 'd'))
    writeFileSync(join(two.lower, 'd/f'), 'content')
    await over(two, (at) => {
      closeSync(openSync(at('d/f'), 'r+'))
      chmodSync(at('d'), lstatSync(at('d')).mode)
    })
    expect(lstatSync(join(two.upper, 'd/f')).size).toBe(7)
    expect((await diff(two)).names).toEqual([])
  })

  test('is what was written, though time and size are as before', async () => {
    using two = pair()
    writeFileSync(join(two.lower, 'f'), 'one')
    utimesSync(join(two.lower, 'f'), 1000.5, 1000.5)
    await over(two, (at) => {
      writeFileSync(at('f'), 'two')
      utimesSync(at('f'), 1000.5, 1000.5)
    })
    expect((await diff(two)).told).toMatchObject([{ name: 'f', content: Buffer.from('two') }])
  })

  test('hides what it replaced, and nothing where there was nothing', async () => {
    using two = pair()
    mkdirSync(join(two.lower, 'was'))
    writeFileSync(join(two.lower, 'was/hidden'), '')
    await over(two, (at) => {
      rmSync(at('was'), { recursive: true })
      for (const name of ['was', 'new']) {
        mkdirSync(at(name))
        writeFileSync(at(`${name}/f`), '')
      }
    })
    expect((await diff(two)).names).toEqual(['new/', 'new/f', 'was/', 'was/.wh..wh..opq', 'was/f'])
  })

  test('has one name of several parted from the others when it is changed', async () => {
    using two = pair()
    writeFileSync(join(two.lower, 'a'), 'content')
    linkSync(join(two.lower, 'a'), join(two.lower, 'b'))
    await over(two, (at) => closeSync(openSync(at('a'), 'r+')))
    expect((await diff(two)).told.map(({ name, type }) => [name, type])).toEqual([['a', '0']])
  })

  test('says nothing of attributes overlayfs keeps there, and all of those a layer may have', async () => {
    using two = pair()
    const capability = Buffer.from('0100000200200000000000000000000000000000', 'hex')
    for (const name of ['ping', 'gone']) writeFileSync(join(two.lower, name), name)
    await over(two, (at) => {
      writeFileSync(at('ping'), 'changed')
      lsetxattr(at('ping'), 'security.capability', capability)
      set(at('ping'), 'user.any', 'x')
      unlinkSync(at('gone'))
      mkdirSync(at('d'))
    })
    for (const name of ['ping', 'd']) {
      set(join(two.upper, name), 'trusted.overlay.origin', '')
      set(join(two.upper, name), 'user.overlay.impure', 'y')
      set(join(two.upper, name), 'trusted.mine', 'y')
    }
    const { told } = await diff(two)
    expect(told.map(({ name, pax }) => [name, pax])).toEqual([
      ['d/', {}],
      ['.wh.gone', {}],
      ['ping', { 'SCHILY.xattr.security.capability': capability.toString('latin1'), 'SCHILY.xattr.user.any': 'x' }],
    ])
  })
})

describe.runIf(isRoot)('marks as a user namespace writes them', () => {
  test('hide and remove', async () => {
    using two = pair()
    for (const name of ['d', 'kept']) mkdirSync(join(two.lower, name))
    for (const name of ['d/hidden', 'kept/gone', 'kept/empty']) writeFileSync(join(two.lower, name), '')
    for (const name of ['d', 'kept']) mkdirSync(join(two.upper, name))
    set(join(two.upper, 'd'), 'user.overlay.opaque', 'y')
    set(join(two.upper, 'kept'), 'user.overlay.opaque', 'x')
    for (const name of ['gone', 'never', 'empty']) writeFileSync(join(two.upper, 'kept', name), '')
    for (const name of ['gone', 'never']) set(join(two.upper, 'kept', name), 'user.overlay.whiteout', '')
    chmodSync(join(two.upper, 'kept/empty'), 0o600)
    expect((await diff(two, { marks: { userxattr: true } })).told.map(({ name, pax }) => [name, pax])).toEqual([
      ['d/', {}],
      ['d/.wh..wh..opq', {}],
      ['kept/', {}],
      ['kept/empty', {}],
      ['kept/.wh.gone', {}],
    ])
  })
})

test.runIf(isRoot)('marks anybody can write mean nothing where overlayfs writes others', async () => {
  using two = pair()
  mkdirSync(join(two.lower, 'd'))
  writeFileSync(join(two.lower, 'd/there'), '')
  await over(two, (at) => {
    writeFileSync(at('d/f'), '')
    set(at('d'), 'user.overlay.opaque', 'y')
    set(at('d'), 'user.overlay.redirect', '/')
    set(at('d/f'), 'user.overlay.whiteout', 'y')
  })
  expect((await diff(two)).names).toEqual(['d/', 'd/f'])
})

describe.runIf(isRoot)('refuses', () => {
  test.each([
    ['redirect', 'd'],
    ['metacopy', 'f'],
  ])('what has its contents in another layer: %s', async (mark, name) => {
    using two = pair()
    mkdirSync(join(two.upper, 'd'))
    writeFileSync(join(two.upper, 'f'), '')
    set(join(two.upper, name), `trusted.overlay.${mark}`, 'elsewhere')
    await expect(diff(two)).rejects.toMatchObject({ code: 'failed_precondition', message: expect.stringContaining(mark) })
  })
})

test.runIf(isRoot)('removes nothing that is not below', async () => {
  using two = pair()
  mknodat(-100, join(two.upper, 'nothing'), S.CHR, 0, 0)
  writeFileSync(join(two.lower, 'something'), '')
  mknodat(-100, join(two.upper, 'something'), S.CHR, 0, 0)
  expect((await diff(two)).names).toEqual(['.wh.something'])
  expect((await two.diff({ finder: 'overlay', lower: undefined })).names).toEqual([])
})
