import { describe, expect, test } from 'vitest'
import { defaultLimits } from '../../../actors/unpack/limits.ts'
import type { Entry } from '../../../actors/unpack/tar/entry.ts'
import { tarReader } from '../../../actors/unpack/tar/reader.ts'
import * as tar from '../../support/layers.ts'

/** Entries and contents of an archive, taken in pieces of a size. */
function read(bytes: Buffer, pieceSize = bytes.length): (Entry & { content: string })[] {
  const entries: (Entry & { content: string })[] = []
  let content: Buffer[] = []
  const reader = tarReader(
    {
      begin: (entry) => void entries.push({ ...entry, content: '' }),
      data: (piece) => void content.push(Buffer.from(piece)),
      hole: (length) => void content.push(Buffer.alloc(length, '.')),
      end() {
        const last = entries.pop() as Entry
        entries.push({ ...last, content: Buffer.concat(content).toString() })
        content = []
      },
    },
    defaultLimits,
  )
  for (let at = 0; at < bytes.length; at += pieceSize) reader.push(bytes.subarray(at, at + pieceSize))
  reader.finish()
  return entries
}

const one = (...pieces: tar.Piece[]): Entry & { content: string } => read(tar.archive(...pieces))[0] as Entry & { content: string }

describe('headers', () => {
  test('every kind is told with what its header says', () => {
    const entries = read(
      tar.archive(
        tar.file('file', 'hello', { mode: 0o4755, uid: 1, gid: 2, mtime: 3 }),
        tar.directory('dir/'),
        tar.symlink('target', 'sym'),
        tar.link('file', 'hard'),
        tar.character('null', 1, 3),
        tar.block('disk', 8, 1),
        tar.fifo('pipe'),
        tar.ofType('7', 'contiguous', 'x'),
      ),
    )
    expect(entries.map(({ kind, name, target }) => [kind, name, target])).toEqual([
      ['file', 'file', ''],
      ['directory', 'dir/', ''],
      ['symlink', 'sym', 'target'],
      ['link', 'hard', 'file'],
      ['character', 'null', ''],
      ['block', 'disk', ''],
      ['fifo', 'pipe', ''],
      ['file', 'contiguous', ''],
    ])
    expect(entries[0]).toMatchObject({ content: 'hello', mode: 0o4755, uid: 1, gid: 2, modified: { seconds: 3, nanoseconds: 0 }, size: 5 })
    expect(entries[4]).toMatchObject({ major: 1, minor: 3 })
  })

  test.each([1, 7, 511, 512, 513, 1000])('an archive in pieces of %d bytes is the same archive', (size) => {
    const bytes = tar.archive(
      tar.file('a', 'x'.repeat(1500), { pax: { 'SCHILY.xattr.user.a': Buffer.from([0, 255]), mtime: '5.25' } }),
      tar.longName(`${'long/'.repeat(40)}name`, tar.file('short', 'y')),
      tar.paxHeader('g', { comment: 'z'.repeat(600) }),
      tar.directory('b'),
    )
    expect(read(bytes, size)).toEqual(read(bytes))
    expect(read(bytes)).toHaveLength(3)
  })

  test('a ustar prefix is part of the name, in GNU headers it is something else', () => {
    expect(one(tar.file('name', '', { prefix: 'some/where' })).name).toBe('some/where/name')
    expect(one(tar.file('name', '', { prefix: 'junk', magic: 'gnu' })).name).toBe('name')
    expect(one(tar.file('name', '', { prefix: 'junk', magic: 'none' })).name).toBe('name')
  })

  test('a star header has times after a shorter prefix', () => {
    const bytes = tar.file('name', '', { prefix: 'some' })
    bytes.write('12345670123 12345670123', 345 + 131)
    bytes.write('tar\0', 508)
    tar.summed(bytes)
    expect(one(bytes).name).toBe('some/name')
  })

  test('an old header with a slash at the end of the name is a directory', () => {
    expect(one(tar.ofType('\0', 'dir/')).kind).toBe('directory')
    expect(one(tar.ofType('\0', 'file')).kind).toBe('file')
  })

  test('numbers octal cannot hold are binary', () => {
    expect(one(tar.file('a', '', { uid: 2 ** 31, gid: 2 ** 22, mtime: 2 ** 34 }))).toMatchObject({
      uid: 2 ** 31,
      gid: 2 ** 22,
      modified: { seconds: 2 ** 34 },
    })
    expect(one(tar.file('a', '', { mtime: -7 })).modified.seconds).toBe(-7)
  })

  test.each<[string, tar.Piece]>([
    ['binary', tar.file('a', '', { size: 2 ** 40 + 7 })],
    ['said by PAX', tar.file('a', '', { pax: { size: String(2 ** 40 + 7) } })],
  ])('a size no octal number can hold, %s', (_, bytes) => {
    const sizes: number[] = []
    const handler = { begin: ({ size }: Entry) => void sizes.push(size), data: () => {}, hole: () => {}, end: () => {} }
    tarReader(handler, defaultLimits).push(bytes)
    expect(sizes).toEqual([2 ** 40 + 7])
  })

  test('numbers are read as loosely as others do', () => {
    const numbered = (mode: string): number => {
      const bytes = tar.file('a', '')
      bytes.write(mode, 100, 8, 'latin1')
      return one(tar.summed(bytes)).mode
    }
    expect(['   644 \0', '\x00\x00644\0\0\0', '0000644\0', '00000644', '644\0junk', '\0\0\0\0\0\0\0\0'].map(numbered)).toEqual([
      0o644, 0o644, 0o644, 0o644, 0o644, 0,
    ])
    expect(() => numbered('6x4     ')).toThrow('"a": a number of its header is malformed')
  })

  test('a file with a slash at the end is a directory, whatever it contains', () => {
    const entries = read(tar.archive(tar.file('dir/', 'x'.repeat(700)), tar.file('b', 'y')))
    expect(entries.map(({ kind, name, content }) => [kind, name, content])).toEqual([
      ['directory', 'dir/', ''],
      ['file', 'b', 'y'],
    ])
  })

  test('checksums of signed bytes, as old programs made them, hold', () => {
    const bytes = tar.file('caf\xe9', '')
    const unsigned = Number.parseInt(bytes.toString('latin1', 148, 154), 8)
    bytes.write(`${(unsigned - 256).toString(8).padStart(6, '0')}\0 `, 148)
    expect(one(bytes).name).toBe('caf\xe9')
  })

  test('what links and directories say of their size is not there', () => {
    const entries = read(tar.archive(tar.link('a', 'b', { size: 512 }), tar.directory('c', { size: 1024 }), tar.file('d', 'e')))
    expect(entries.map(({ name }) => name)).toEqual(['b', 'c', 'd'])
  })
})

describe('extended headers', () => {
  test('PAX says name, target, size, owner and times to the nanosecond', () => {
    const pax = {
      path: 'caf\u00e9/name',
      linkpath: 'x/y',
      uid: '3000000000',
      gid: '7',
      mtime: '1700000000.123456789',
      atime: '1700000001.5',
    }
    expect(one(tar.symlink('short', 'short', { pax }))).toMatchObject({
      name: Buffer.from('café/name').toString('latin1'),
      target: 'x/y',
      uid: 3000000000,
      gid: 7,
      modified: { seconds: 1700000000, nanoseconds: 123456789 },
      accessed: { seconds: 1700000001, nanoseconds: 500000000 },
    })
    expect(one(tar.file('a', 'hello', { size: 0, pax: { size: '5' } })).content).toBe('hello')
  })

  test('a time before 1970 counts back', () => {
    expect(one(tar.file('a', '', { pax: { mtime: '-1.25' } })).modified).toEqual({ seconds: -2, nanoseconds: 750000000 })
  })

  test('attributes are bytes', () => {
    const capability = Buffer.from([1, 0, 0, 2, 0, 0x20, 0x0a, 0x3d, 0xff, 0xfe, 0])
    const { xattrs } = one(tar.file('a', '', { pax: { 'SCHILY.xattr.security.capability': capability, 'SCHILY.xattr.user.a=b': 'c' } }))
    expect(xattrs?.get('security.capability')).toEqual(capability)
    expect([...(xattrs?.keys() ?? [])]).toHaveLength(2)
  })

  test('attributes as libarchive writes them: the name as in an URL, the value in base64', () => {
    const pax = { 'LIBARCHIVE.xattr.user.a%3Db%FF': 'AAH/', 'LIBARCHIVE.xattr.user.none': '' }
    expect([...(one(tar.file('a', '', { pax })).xattrs ?? [])]).toEqual([
      ['user.a=b\xff', Buffer.from([0, 1, 255])],
      ['user.none', Buffer.alloc(0)],
    ])
  })

  test('an empty long name says nothing', () => {
    expect(one(tar.longName('', tar.file('a'))).name).toBe('a')
  })

  test('an empty value takes back what came before, a repeated key wins', () => {
    const header = Buffer.concat([tar.paxHeader('x', { path: 'no' }), tar.paxHeader('x', { path: '' })])
    expect(one(header, tar.file('yes')).name).toBe('yes')
  })

  test('they are about one entry only', () => {
    const entries = read(tar.archive(tar.file('a', '', { pax: { uid: '5' } }), tar.file('b')))
    expect(entries.map(({ uid }) => uid)).toEqual([5, 0])
  })

  test('a global header is ignored', () => {
    expect(one(tar.paxHeader('g', { path: 'evil', uid: '99' }), tar.file('good'))).toMatchObject({ name: 'good', uid: 0 })
  })

  test('GNU says long names and long targets', () => {
    const long = 'n'.repeat(200)
    expect(one(tar.longName(long, tar.longLink(`${long}t`, tar.symlink('', 'x'))))).toMatchObject({ name: long, target: `${long}t` })
  })

  test('keys of every object are not keys of ours', () => {
    expect(one(tar.file('a', '', { pax: { constructor: 'x', __proto__: 'y', toString: 'z' } })).name).toBe('a')
  })
})

describe('the end', () => {
  test('two blocks of zeros end it, and what follows is of no interest', () => {
    expect(read(Buffer.concat([tar.archive(tar.file('a')), Buffer.from('garbage')]))).toHaveLength(1)
  })

  test('it may also just end, and may be empty', () => {
    expect(read(tar.file('a'))).toHaveLength(1)
    expect(read(Buffer.alloc(0))).toEqual([])
    expect(read(Buffer.alloc(512))).toEqual([])
  })
})

describe('damage', () => {
  const broken = (change: (bytes: Buffer) => void): Buffer => {
    const bytes = tar.archive(tar.file('name', 'content'))
    change(bytes)
    return bytes
  }
  test.each<[string, Buffer, RegExp]>([
    ['a flipped bit', broken((bytes) => void (bytes[0] = 0x6f)), /wrong checksum/],
    ['a type nobody knows', tar.archive(tar.ofType('V', 'volume')), /"volume": unknown type "V"/],
    ['an end in a header', tar.file('a').subarray(0, 300), /ends in a header at the beginning/],
    ['an end in a file', tar.file('a', 'x'.repeat(600)).subarray(0, 700), /ends in the middle of "a"/],
    ['an end in padding', tar.file('a', 'x').subarray(0, 600), /ends in the middle of "a"/],
    ['an end in an extended header', tar.paxHeader('x', { path: 'a' }).subarray(0, 520), /ends in an extended header/],
    ['an end after an extended header', tar.paxHeader('x', { path: 'a' }), /ends after a header/],
    ['zeros after an extended header', tar.archive(tar.paxHeader('x', { path: 'a' })), /ends after a header/],
    ['one block of zeros in between', Buffer.concat([tar.file('a'), Buffer.alloc(512), tar.file('b')]), /after a block of zeros/],
    [
      'a number that is none',
      broken((bytes) => void tar.summed(Buffer.from(bytes.fill('9', 124, 135).buffer, bytes.byteOffset, 512))),
      /size is malformed/,
    ],
    ['a negative size', tar.archive(tar.file('a', '', { size: -5 })), /size is malformed/],
    ['a PAX record longer than its header', tar.archive(raw('99 path=x\n')), /malformed PAX/],
    ['a PAX record without an end of line', tar.archive(raw('9 path=xx')), /malformed PAX/],
    ['a PAX record without a length', tar.archive(raw('path=x\n')), /malformed PAX/],
    ['a PAX record of no length', tar.archive(raw('0 path=x\n')), /malformed PAX/],
    ['a PAX size that is no number', tar.archive(tar.file('a', '', { pax: { size: '1e9' } })), /not a number/],
    ['a negative PAX size', tar.archive(tar.file('a', '', { pax: { size: '-1' } })), /not a number/],
    ['a PAX time that is none', tar.archive(tar.file('a', '', { pax: { mtime: 'noon' } })), /not a time/],
    ['a NUL in a PAX path', tar.archive(tar.file('a', '', { pax: { path: 'a\0b' } })), /NUL/],
    [
      'an owner that wraps round to root',
      tar.archive(tar.file('a', '', { pax: { uid: '4294967296' } })),
      /owner 4294967296 is out of range/,
    ],
    ['an owner that means "leave it"', tar.archive(tar.file('a', '', { uid: 4294967295 })), /out of range/],
    [
      'an attribute that is not base64',
      tar.archive(tar.file('a', '', { pax: { 'LIBARCHIVE.xattr.user.a': '*' } })),
      /"user.a" is not base64/,
    ],
    ['an attribute of no name', tar.archive(tar.file('a', '', { pax: { 'SCHILY.xattr.': 'x' } })), /malformed name/],
    [
      'extended headers without end',
      tar.archive(...Array.from({ length: 20 }, (_, index) => tar.paxHeader('x', { [`SCHILY.xattr.user.${index}`]: 'x'.repeat(60_000) }))),
      /extended header of 1[0-9]{6} bytes/,
    ],
    ['an extended header of gigabytes', tar.archive(tar.ofType('x', 'pax', '', { size: 2 ** 31 })), /extended header of 2147483648 bytes/],
  ])('%s is data_loss', (_, bytes, message) => {
    expect(() => read(bytes)).toThrow(expect.objectContaining({ code: 'data_loss', message: expect.stringMatching(message) }))
  })
})

function raw(records: string): Buffer {
  return Buffer.concat([tar.ofType('x', 'pax', records), tar.file('a')])
}
