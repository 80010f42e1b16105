import { execFileSync } from 'node:child_process'
import { expect, test } from 'vitest'
import { headerOf, type Told } from '../../../../actors/unpack/compare/header.ts'
import { readTar } from './reading.ts'

const plain: Told = { name: 'file', type: 'file', mode: 0o644, uid: 0, gid: 0, modified: 1_000_000 }
const end = Buffer.alloc(1024)
/** An entry without what follows it, read back. */
const readBack = (told: Told) => readTar(Buffer.concat([headerOf({ ...told, size: 0 }), end]))[0]
/** What GNU tar makes of an entry. */
const listed = (told: Told): string =>
  execFileSync('tar', ['--numeric-owner', '--utc', '--full-time', '--quoting-style=escape', '-tv'], {
    input: Buffer.concat([headerOf(told), end]),
    encoding: 'latin1',
    env: { ...process.env, LC_ALL: 'C' },
  })
    .trim()
    .replace(/ +/g, ' ')

test('an ordinary entry is one block, and says neither names of users nor other times', () => {
  const header = headerOf({ ...plain, mode: 0o4755, uid: 1000, gid: 100 })
  expect(header).toHaveLength(512)
  expect(readTar(Buffer.concat([header, end]))).toMatchObject([
    { name: 'file', type: '0', mode: 0o4755, uid: 1000, gid: 100, mtime: 1_000_000, uname: '', pax: {} },
  ])
  expect(listed({ ...plain, mode: 0o4755, uid: 1000, gid: 100 })).toBe('-rwsr-xr-x 1000/100 0 1970-01-12 13:46:40 file')
})

test.each([
  ['of 100 bytes', 'n'.repeat(100), 1],
  ['parted at a slash', `${'d'.repeat(155)}/${'n'.repeat(100)}`, 1],
  ['of a directory, parted before its last part', `${'d'.repeat(100)}/${'e'.repeat(50)}/`, 1],
  ['of 101 bytes in one part', 'n'.repeat(101), 3],
  ['with a directory too long to be parted', `${'d'.repeat(156)}/n`, 3],
  ['of a directory whose only slash is its end', `${'d'.repeat(100)}/`, 3],
  ['in no encoding', 'caf\xe9', 1],
  ['in no encoding, and long', '\xff'.repeat(200), 3],
])('a name %s comes back', (_, name, blocks) => {
  const type = name.endsWith('/') ? 'directory' : 'file'
  expect(headerOf({ ...plain, name, type })).toHaveLength(blocks * 512)
  expect(readBack({ ...plain, name, type })?.name).toBe(name)
  const escaped = name.replace(/[\x80-\xff]/g, (byte) => `\\${byte.charCodeAt(0).toString(8)}`)
  expect(listed({ ...plain, name, type }).endsWith(` ${escaped}`)).toBe(true)
})

test('a link to a long name comes back', () => {
  const target = `/${'t'.repeat(300)}`
  for (const type of ['symlink', 'link'] as const) expect(readBack({ ...plain, type, target })?.target).toBe(target)
})

test('owners, sizes and times that no block has room for come back', () => {
  const large = { ...plain, uid: 3_000_000_000, gid: 2_097_152, size: 2 ** 33 }
  const [first] = readTar(Buffer.concat([headerOf({ ...large, size: 0, modified: 2 ** 34 }), end]))
  expect(first).toMatchObject({ uid: 3_000_000_000, gid: 2_097_152, mtime: 2 ** 34 })
  expect(headerOf(large).toString('latin1')).toContain(`size=${2 ** 33}\n`)
  expect(headerOf({ ...plain, size: 2 ** 33 - 1 })).toHaveLength(512)
  expect(readBack({ ...plain, modified: -7 })?.mtime).toBe(-7)
})

test('devices have their numbers', () => {
  expect(readBack({ ...plain, type: 'block', major: 0xfff, minor: 0xfffff })).toMatchObject({ type: '4', device: '4095:1048575' })
})

test('attributes are bytes, in the order they are given', () => {
  const value = Buffer.from([0, 10, 255, 61])
  const header = headerOf({
    ...plain,
    xattrs: new Map([
      ['user.caf\xe9', value],
      ['user.z', Buffer.alloc(0)],
    ]),
  })
  const [told] = readTar(Buffer.concat([header, end]))
  expect(Object.entries(told?.pax ?? {})).toEqual([
    ['SCHILY.xattr.user.caf\xe9', value.toString('latin1')],
    ['SCHILY.xattr.user.z', ''],
  ])
})

test('the length of a record counts its own digits, also where they become more', () => {
  for (let length = 80; length < 1010; length++)
    expect(readBack({ ...plain, name: `${'d'.repeat(101)}${'n'.repeat(length)}` })?.name).toHaveLength(length + 101)
})
