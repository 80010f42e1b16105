import { execFileSync } from 'node:child_process'
import {
  chmodSync,
  cpSync,
  linkSync,
  lutimesSync,
  mkdirSync,
  readdirSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  truncateSync,
  unlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { type Pair, pair } from './comparing.ts'

/** Two directories: what `before` makes, and that with what `after` did to it. */
function changed(before: (at: (path: string) => string) => void, after: (at: (path: string) => string) => void): Pair {
  const made = pair()
  before((path) => join(made.lower, path))
  execFileSync('cp', ['-a', `${made.lower}/.`, made.upper])
  after((path) => join(made.upper, path))
  return made
}

const nothing = (): void => {}

describe('a layer of two trees', () => {
  test('is empty when nothing was changed', async () => {
    using two = changed((at) => {
      mkdirSync(at('d'))
      writeFileSync(at('d/f'), 'content')
      symlinkSync('f', at('d/l'))
    }, nothing)
    const { names, bytes, entries } = await two.diff()
    expect({ names, length: bytes.length, entries }).toEqual({ names: [], length: 1024, entries: 0 })
  })

  test('has all there is when there was nothing', async () => {
    using two = changed(nothing, (at) => {
      mkdirSync(at('d'))
      writeFileSync(at('d/f'), 'content')
      symlinkSync('/nowhere', at('l'))
    })
    expect((await two.diff({ lower: undefined })).names).toEqual(['d/', 'd/f', 'l'])
  })

  test('has the directories of what was changed, once', async () => {
    using two = changed(
      (at) => {
        mkdirSync(at('d1/d2'), { recursive: true })
        mkdirSync(at('other'))
      },
      (at) => {
        writeFileSync(at('d1/d2/one'), '1')
        writeFileSync(at('d1/d2/two'), '2')
      },
    )
    const { told } = await two.diff()
    expect(told.map(({ name, type, mode }) => [name, type, mode.toString(8)])).toEqual([
      ['d1/', '5', '755'],
      ['d1/d2/', '5', '755'],
      ['d1/d2/one', '0', '644'],
      ['d1/d2/two', '0', '644'],
    ])
  })

  test('has a new name of an unchanged file, the directories of both, and one as a link to the other', async () => {
    using two = changed(
      (at) => {
        for (const name of ['d1', 'd2']) mkdirSync(at(name))
        writeFileSync(at('d1/f'), 'content')
      },
      (at) => linkSync(at('d1/f'), at('d2/f')),
    )
    const { told } = await two.diff()
    expect(told.map(({ name, type, target }) => [name, type, target])).toEqual([
      ['d2/', '5', ''],
      ['d2/f', '0', ''],
      ['d1/', '5', ''],
      ['d1/f', '1', 'd2/f'],
    ])
  })

  test('has unchanged names of a file that was changed under another, as links', async () => {
    using two = changed(
      (at) => {
        for (const name of ['a', 'b', 'c']) mkdirSync(at(name))
        writeFileSync(at('b/f'), 'before')
        linkSync(at('b/f'), at('a/f'))
        linkSync(at('b/f'), at('c/f'))
      },
      (at) => {
        unlinkSync(at('b/f'))
        linkSync(at('a/f'), at('b/g'))
      },
    )
    const { told } = await two.diff()
    expect(told.map(({ name, type, target }) => [name, type, target])).toEqual([
      ['b/', '5', ''],
      ['b/.wh.f', '0', ''],
      ['b/g', '0', ''],
      ['a/', '5', ''],
      ['a/f', '1', 'b/g'],
      ['c/', '5', ''],
      ['c/f', '1', 'b/g'],
    ])
  })

  test('has nothing of links that are as they were, or of which one was taken away', async () => {
    using two = changed(
      (at) => {
        for (const name of ['a', 'b', 'c']) writeFileSync(at(name), name === 'a' ? 'content' : '')
        for (const name of ['b', 'c']) {
          unlinkSync(at(name))
          linkSync(at('a'), at(name))
        }
      },
      (at) => unlinkSync(at('b')),
    )
    expect((await two.diff()).names).toEqual(['.wh.b'])
  })

  test('parts names that are no longer one file, and joins those that have become one', async () => {
    using two = changed(
      (at) => {
        for (const name of ['a', 'x', 'y']) writeFileSync(at(name), 'content')
        linkSync(at('a'), at('b'))
        for (const name of ['a', 'x', 'y']) utimesSync(at(name), 1000, 1000)
      },
      (at) => {
        cpSync(at('b'), at('c'), { preserveTimestamps: true })
        renameSync(at('c'), at('b'))
        unlinkSync(at('y'))
        linkSync(at('x'), at('y'))
      },
    )
    const { told } = await two.diff()
    expect(told.map(({ name, type, target }) => [name, type, target])).toEqual([
      ['b', '0', ''],
      ['x', '0', ''],
      ['y', '1', 'x'],
    ])
  })

  test('has a directory whose mode was changed, and not what is in it', async () => {
    using two = changed(
      (at) => {
        mkdirSync(at('d'))
        writeFileSync(at('d/f'), '')
      },
      (at) => chmodSync(at('d'), 0o777),
    )
    expect((await two.diff()).told).toMatchObject([{ name: 'd/', mode: 0o777 }])
  })

  test('has one removal for all that was below, and the directories it was in', async () => {
    using two = changed(
      (at) => {
        mkdirSync(at('d1/d2/d3'), { recursive: true })
        writeFileSync(at('d1/d2/f'), '')
        writeFileSync(at('d1/d2/d3/f'), '')
      },
      (at) => rmSync(at('d1/d2'), { recursive: true }),
    )
    expect((await two.diff()).told).toMatchObject([
      { name: 'd1/', type: '5' },
      { name: 'd1/.wh.d2', type: '0', size: 0, mtime: 0 },
    ])
  })

  test('has one entry for what became of another kind, and no removal', async () => {
    using two = changed(
      (at) => {
        mkdirSync(at('directory/deep'), { recursive: true })
        writeFileSync(at('file'), '')
        symlinkSync('x', at('link'))
      },
      (at) => {
        rmSync(at('directory'), { recursive: true })
        writeFileSync(at('directory'), '')
        unlinkSync(at('file'))
        mkdirSync(at('file'))
        writeFileSync(at('file/in'), '')
        unlinkSync(at('link'))
        symlinkSync('y', at('link'))
      },
    )
    expect((await two.diff()).told.map(({ name, type, target }) => [name, type, target])).toEqual([
      ['directory', '0', ''],
      ['file/', '5', ''],
      ['file/in', '0', ''],
      ['link', '2', 'y'],
    ])
  })

  test('has no sockets, and a removal where one took the place of something', async () => {
    using two = changed((at) => writeFileSync(at('was'), ''), nothing)
    unlinkSync(join(two.upper, 'was'))
    const servers = ['new', 'was'].map((name) => createServer().listen(join(two.upper, name)))
    await Promise.all(servers.map((server) => new Promise((resolve) => server.once('listening', resolve))))
    expect((await two.diff()).names).toEqual(['.wh.was'])
    for (const server of servers) server.close()
  })

  test('has a file of which only the contents were changed, though its time says nothing', async () => {
    using two = changed(
      (at) => {
        writeFileSync(at('f'), 'one')
        utimesSync(at('f'), 1000, 1000)
      },
      (at) => {
        writeFileSync(at('f'), 'two')
        utimesSync(at('f'), 1000, 1000)
      },
    )
    expect((await two.diff()).names).toEqual(['f'])
  })

  test('has a file written twice between two ticks of the clock, and trusts a time that has been over for long', async () => {
    const now = Date.now() / 1000 + 0.125
    using two = changed(nothing, nothing)
    for (const [path, content] of [
      [two.lower, 'one'],
      [two.upper, 'two'],
    ] as const) {
      for (const [name, time] of [
        ['fresh', now],
        ['settled', 1000.125],
      ] as const) {
        writeFileSync(join(path, name), content)
        utimesSync(join(path, name), time, time)
      }
    }
    expect((await two.diff()).names).toEqual(['fresh'])
  })

  test('takes a time without a fraction for any of its second, as layers tell no more', async () => {
    using two = changed(
      (at) => {
        writeFileSync(at('same'), 'x')
        utimesSync(at('same'), 1000, 1000)
        symlinkSync('x', at('link'))
        lutimesSync(at('link'), 1000, 1000)
      },
      (at) => {
        utimesSync(at('same'), 1000.25, 1000.25)
        lutimesSync(at('link'), 1000.25, 1000.25)
      },
    )
    expect((await two.diff()).names).toEqual([])
  })

  test('has the root when its mode was changed, but not when something came or went in it', async () => {
    using two = changed(nothing, (at) => chmodSync(at('.'), 0o711))
    expect((await two.diff()).told).toMatchObject([{ name: './', type: '5', mode: 0o711 }])
  })

  test('tells a sparse file whole', async () => {
    using two = changed(nothing, (at) => {
      writeFileSync(at('f'), 'start')
      truncateSync(at('f'), 3 * 2 ** 20 + 7)
    })
    const { told } = await two.diff()
    expect(told[0]?.content.equals(Buffer.concat([Buffer.from('start'), Buffer.alloc(3 * 2 ** 20 + 2)]))).toBe(true)
  })

  test('reads through no link, and leaves no trace', async () => {
    using two = changed(
      (at) => mkdirSync(at('d')),
      (at) => {
        rmSync(at('d'), { recursive: true })
        symlinkSync('/etc', at('d'))
        writeFileSync(at('f'), 'x')
        utimesSync(at('f'), 1000, 2000)
      },
    )
    expect((await two.diff()).told.map(({ name, type }) => [name, type])).toEqual([
      ['d', '2'],
      ['f', '0'],
    ])
    expect(readdirSync(two.upper)).toEqual(['d', 'f'])
    expect(statSync(join(two.upper, 'f')).atimeMs).toBe(1_000_000)
  })

  test('cannot have a file whose name means a removal', async () => {
    using two = changed(nothing, (at) => writeFileSync(at('.wh.x'), ''))
    await expect(two.diff()).rejects.toMatchObject({ code: 'failed_precondition', message: expect.stringContaining('.wh.x') })
  })
})
