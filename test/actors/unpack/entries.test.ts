import { lstatSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { defaultLimits } from '../../../actors/unpack/limits.ts'
import { statx } from '../../../runtime/syscalls/index.ts'
import * as tar from '../../support/layers.ts'
import { listing } from '../../support/listing.ts'
import { ground, isRoot } from './applying.ts'

const { archive, directory, file, link, symlink } = tar

test('a directory keeps its time although things are put into it afterwards', async () => {
  using at = ground()
  await at.apply(archive(directory('a', { mtime: 5 }), directory('a/b', { mtime: 6 }), file('a/b/c', ''), file('a/d', '')))
  expect(listing(at.root)).toMatchObject({ a: { mtime: '5.000000000' }, 'a/b': { mtime: '6.000000000' } })
})

test('a directory another layer made, and this one does not describe, keeps its time', async () => {
  using at = ground()
  await at.apply(archive(directory('a', { mtime: 5 }), file('a/x', '')))
  await at.apply(archive(file('a/y', '')))
  expect(listing(at.root)['a']).toMatchObject({ mtime: '5.000000000' })
})

test('what is there is replaced, but directories are merged', async () => {
  using at = ground()
  await at.apply(
    archive(directory('d', { mode: 0o700 }), file('d/old', 'o'), file('f', '1'), symlink('x', 's'), directory('e'), file('e/in', '')),
  )
  await at.apply(archive(directory('d', { mode: 0o755 }), symlink('y', 'f'), directory('s'), file('e', 'now a file')))
  expect(listing(at.root)).toMatchObject({
    d: { kind: 'directory', mode: '755' },
    'd/old': { content: 'o' },
    f: { kind: 'symlink', target: 'y' },
    s: { kind: 'directory' },
    e: { content: 'now a file' },
  })
})

test('replacing one name of a file leaves its other names alone', async () => {
  using at = ground()
  await at.apply(archive(file('a', 'old'), link('a', 'b'), file('a', 'new')))
  expect(readFileSync(`${at.root}/b`, 'utf8')).toBe('old')
})

test('missing directories are made with mode 755', async () => {
  using at = ground()
  await at.apply(archive(file('a/b/c', '')))
  expect(listing(at.root)).toMatchObject({ a: { mode: '755' }, 'a/b': { mode: '755' } })
})

test('the root takes owner, mode and time of its own entry, and nothing else can stand in its place', async () => {
  using at = ground()
  const entries = [directory('./', { mode: 0o700, uid: 7, gid: 8, mtime: 9 }), symlink('x', '.')]
  const { entries: count, implied } = await at.apply(archive(...entries))
  const { mode, uid, gid, mtimeMs } = lstatSync(at.root)
  expect({ mode, uid, gid, mtimeMs, count, implied }).toEqual({ mode: 0o40700, uid: 7, gid: 8, mtimeMs: 9000, count: 2, implied: [] })
  expect(Object.keys(listing(at.root))).toEqual([])
})

test('names are bytes', async () => {
  using at = ground()
  await at.apply(archive(directory('\xff'), file('\xff/\xfe\xfd', 'x'), symlink('\xf0\xf1', 'l\xe9'), link('\xff/\xfe\xfd', 'h\x80')))
  expect(listing(at.root)).toMatchObject({
    '\xff/\xfe\xfd': { content: 'x', same: 'h\x80' },
    'l\xe9': { target: '\xf0\xf1' },
    'h\x80': { content: 'x' },
  })
})

test('modes are those of the archive whatever the mask of this process', async () => {
  using at = ground()
  const modes = [0o777, 0o666, 0o4755, 0o2755, 0o1777, 0o000, 0o400, 0o6777]
  await at.apply(
    archive(...modes.flatMap((mode) => [file(`f${mode}`, 'x', { mode }), directory(`d${mode}`, { mode }), tar.fifo(`p${mode}`, { mode })])),
  )
  const listed = listing(at.root)
  for (const mode of modes)
    for (const kind of 'fdp') expect([kind, mode, listed[`${kind}${mode}`]?.mode]).toEqual([kind, mode, mode.toString(8)])
})

test('times are kept to the nanosecond, impossible ones become 1970', async () => {
  using at = ground()
  await at.apply(
    archive(
      file('a', '', { pax: { mtime: '1700000000.123456789' } }),
      file('b', '', { mtime: -5 }),
      file('c', '', { pax: { mtime: '999999999999' } }),
      symlink('x', 'd', { pax: { mtime: '4.5' } }),
    ),
  )
  const times = Object.values(listing(at.root)).map(({ mtime }) => mtime)
  expect(times).toEqual(['1700000000.123456789', '0.000000000', '0.000000000', '4.500000000'])
})

test('the last access is never before the last change', async () => {
  using at = ground()
  const pax = (mtime: string, atime: string): object => ({ pax: { mtime, atime } })
  await at.apply(archive(file('a', '', pax('10.5', '5')), file('b', '', pax('10.5', '20.25')), directory('c', pax('10', '30'))))
  const { seconds: a, nanoseconds } = statx(-100, join(at.root, 'a')).accessed
  expect([a, nanoseconds]).toEqual([10, 500_000_000])
  expect(statx(-100, join(at.root, 'b')).accessed).toEqual({ seconds: 20, nanoseconds: 250_000_000 })
  expect(statx(-100, join(at.root, 'c')).accessed).toEqual({ seconds: 30, nanoseconds: 0 })
})

test('hard links lead to links, to files replaced later, and to what only links lead to', async () => {
  using at = ground()
  await at.apply(
    archive(
      symlink('nowhere', 'sym'),
      link('sym', 'a/b/symlinked'),
      file('c/d/file', 'first'),
      link('c/d/file', 'e/f/kept'),
      file('c/d/file', 'second'),
      symlink('c', 'way'),
      link('way/d/file', 'way/d/../again'),
      link('/c/../way/d/file', 'e/f/kept2'),
    ),
  )
  expect(listing(at.root)).toMatchObject({
    sym: { kind: 'symlink', target: 'nowhere', same: 'a/b/symlinked' },
    'c/d/file': { content: 'second', same: expect.any(String) },
    'e/f/kept': { content: 'first' },
    'e/f/kept2': { content: 'second', same: 'c/again' },
  })
})

test('a hard link is one file with its target, whatever its own header says', async () => {
  using at = ground()
  await at.apply(archive(file('a', 'x', { mode: 0o640, mtime: 5 }), link('a', 'b', { mode: 0o777, uid: 9, mtime: 9, size: 100 })))
  expect(listing(at.root)).toMatchObject({ a: { mode: '640', mtime: '5.000000000' }, b: { mode: '640', same: 'a' } })
})

test('directories that are not described have mode 755 whatever the mask of this process', async () => {
  using at = ground()
  const before = process.umask(0o077)
  try {
    await at.apply(archive(directory('s', { mode: 0o2775, gid: 5 }), file('s/a/f'), file('b/c/f')))
  } finally {
    process.umask(before)
  }
  expect(listing(at.root)).toMatchObject({
    's/a': { mode: isRoot ? '2755' : expect.any(String) },
    b: { mode: '755' },
    'b/c': { mode: '755' },
  })
})

test('a large file goes through in pieces', async () => {
  using at = ground()
  const content = Buffer.alloc(3_000_001, 'abcdefg')
  const { written } = await at.apply(archive(file('big', content), file('after', 'x')))
  expect(readFileSync(`${at.root}/big`).equals(content)).toBe(true)
  expect(written).toBe(3_000_002)
})

test('more directories than are kept open at once', async () => {
  using at = ground()
  const paths = Array.from({ length: 400 }, (_, index) => `d${index % 200}/e${index}/f`)
  await at.apply(
    archive(...paths.map((path) => file(path, path)), ...paths.map((path, index) => link(path, `links/${index % 7}/${index}`))),
  )
  for (const path of paths) expect(readFileSync(`${at.root}/${path}`, 'utf8')).toBe(path)
  expect(Object.values(listing(at.root)).filter(({ same }) => same !== undefined)).toHaveLength(400)
})

test('a hard link between places deeper than directories are kept open', async () => {
  using at = ground()
  const [one, other] = ['a/'.repeat(300), 'b/'.repeat(300)]
  const pax = { path: `${other}link`, linkpath: `${one}file` }
  await at.apply(archive(file('', 'deep', { pax: { path: `${one}file` } }), link('', '', { pax })))
  expect(Object.values(listing(at.root)).filter(({ same }) => same !== undefined)).toHaveLength(1)
})

describe.runIf(isRoot)('as root', () => {
  test('owners, devices and attributes are those of the archive', async () => {
    using at = ground()
    const capability = Buffer.from('0100000200200000000000000000000000000000', 'hex')
    const pax = { 'SCHILY.xattr.security.capability': capability, 'SCHILY.xattr.user.\xff': Buffer.from([0, 1, 255]) }
    await at.apply(
      archive(
        directory('d', { uid: 10, gid: 20, mode: 0o2775 }),
        file('d/f', 'x', { uid: 3000000000, gid: 4, mode: 0o6755, pax }),
        file('d/mine', 'x'),
        directory('d/sub'),
        symlink('t', 'd/s', { uid: 1, gid: 2 }),
        tar.character('d/null', 1, 3, { mode: 0o666, uid: 5 }),
        tar.block('d/disk', 4095, 1048575),
      ),
    )
    expect(listing(at.root)).toMatchObject({
      d: { owner: '10:20', mode: '2775' },
      'd/f': {
        owner: '3000000000:4',
        mode: '6755',
        xattrs: { 'security.capability': capability.toString('latin1'), 'user.Ã¿': '\0\x01ÿ' },
      },
      'd/mine': { owner: '0:0', mode: '644' },
      'd/sub': { owner: '0:0', mode: '755' },
      'd/s': { owner: '1:2' },
      'd/null': { device: '1:3', mode: '666', owner: '5:0' },
      'd/disk': { kind: 'block', device: '4095:1048575' },
    })
  })

  test.each<[string, Record<string, string | Buffer>]>([
    ['of more bytes than there can be', { 'SCHILY.xattr.user.a': Buffer.alloc(65537) }],
    ['of a name longer than there can be', { [`SCHILY.xattr.user.${'n'.repeat(251)}`]: 'x' }],
    ['that is no access list', { 'SCHILY.xattr.system.posix_acl_access': '\x02\0\0\0cut' }],
    ['that is no capability', { 'SCHILY.xattr.security.capability': 'nonsense' }],
  ])('an attribute %s is data_loss', async (_, pax) => {
    using at = ground()
    await expect(at.apply(archive(file('it', '', { pax })))).rejects.toMatchObject({
      code: 'data_loss',
      message: expect.stringMatching(/^invalid archive: "it": attribute "/),
    })
  })

  test('an access list is kept as it is', async () => {
    using at = ground()
    // u::rw- u:7:rwx g::r-- m::rwx o::---
    const acl = Buffer.from(
      '02000000 01000600 ffffffff 02000700 07000000 04000400 ffffffff 10000700 ffffffff 20000000 ffffffff'.replaceAll(' ', ''),
      'hex',
    )
    await at.apply(archive(file('f', '', { mode: 0o670, pax: { 'SCHILY.xattr.system.posix_acl_access': acl } })))
    expect(listing(at.root)['f']).toMatchObject({ mode: '670', xattrs: { 'system.posix_acl_access': acl.toString('latin1') } })
  })

  test('an access list handed down does not change modes', async () => {
    using at = ground()
    // u::rwx g::--- o::---, as the kernel stores it
    const acl = Buffer.from('02000000 01000700 ffffffff 04000000 ffffffff 20000000 ffffffff'.replaceAll(' ', ''), 'hex')
    await at.apply(archive(directory('d', { pax: { 'SCHILY.xattr.system.posix_acl_default': acl } }), file('d/f', '', { mode: 0o644 })))
    expect(listing(at.root)['d/f']).toMatchObject({ mode: '644' })
    await at.apply(archive(file('d/g', '', { mode: 0o664 }), directory('d/h')))
    expect(listing(at.root)).toMatchObject({ 'd/g': { mode: '664' }, 'd/h': { mode: '755' } })
  })

  test.each([
    [4096, 0],
    [0, 1048576],
    [2 ** 33, 0],
    [-1, 0],
  ])('a device %d:%d that would come out as another is refused', async (major, minor) => {
    using at = ground()
    await expect(at.apply(archive(tar.character('x', major, minor)))).rejects.toMatchObject({
      code: 'data_loss',
      message: expect.stringContaining('out of range'),
    })
  })
})

describe('limits', () => {
  test.each<[string, Buffer, string]>([
    ['a name of 256 bytes', archive(file('', '', { pax: { path: 'x'.repeat(256) } })), 'a name of 256 bytes'],
    ['a path of 4097 bytes', archive(file('', '', { pax: { path: `${'x/'.repeat(2048)}y` } })), 'a path of 4097 bytes'],
    ['a link to nothing', archive(symlink('', 'x')), 'a link to a name of 0 bytes'],
    ['a hard link to nothing', archive(link('', 'x')), 'hard link to the root'],
  ])('%s is refused', async (_, bytes, message) => {
    using at = ground()
    await expect(at.apply(bytes)).rejects.toMatchObject({ code: 'data_loss', message: expect.stringContaining(message) })
  })

  test('too many entries, too deep and too much are resource_exhausted', async () => {
    using at = ground()
    const limited = (limits: Partial<typeof defaultLimits>): object => ({ limits: { ...defaultLimits, ...limits } })
    const refused = (message: string): object => ({ code: 'resource_exhausted', message: expect.stringContaining(message) })
    await expect(at.apply(archive(file('a'), file('b'), file('c')), {}, limited({ entries: 2 }))).rejects.toMatchObject(
      refused('more than 2 entries'),
    )
    await expect(at.apply(archive(file('deep/b/c/d')), {}, limited({ depth: 2 }))).rejects.toMatchObject(refused('3 deep'))
    await expect(at.apply(archive(file('many/b/c')), {}, limited({ directories: 1 }))).rejects.toMatchObject(
      refused('more than 1 directories'),
    )
    await expect(at.apply(archive(file('a', Buffer.alloc(9999))), {}, limited({ inflated: 5000 }))).rejects.toMatchObject(
      refused('5000 bytes'),
    )
  })

  test('directories made ever deeper through links come to an end', async () => {
    using at = ground()
    const deeper = (step: number): Buffer[] => [symlink(`way${step}/${'d/'.repeat(60)}`, `way${step + 1}`), file(`way${step + 1}/file`)]
    const layer = archive(directory('way0'), ...Array.from({ length: 30 }, (_, step) => deeper(step)).flat())
    await expect(at.apply(layer)).rejects.toMatchObject({ code: 'resource_exhausted', message: expect.stringContaining('1025 deep') })
  })
})
