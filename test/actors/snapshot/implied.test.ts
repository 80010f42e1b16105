import { chmod, chown, link, mkdir, stat, symlink, utimes, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { lgetxattr, llistxattr, lsetxattr, mknodat, S } from '../../../runtime/syscalls/index.ts'
import { failureOf, openSnapshotRoom, type SnapshotRoom } from '../../support/snapshots.ts'

/** Layers of overlay, each written into its own directory, committed on the one before. */
async function stack(room: SnapshotRoom, ...layers: ((at: string) => unknown)[]): Promise<string> {
  let parent: string | undefined
  for (const [n, write] of layers.entries()) {
    const key = `layer-${n}`
    await write(await directory(room, key))
    await room.ask.commit({ key, name: `${n}`, ...(parent !== undefined && { parent }) })
    parent = `${n}`
  }
  return parent ?? ''
}

async function directory(room: SnapshotRoom, key: string): Promise<string> {
  const { target } = await room.ask.prepare({ key })
  if (target.kind !== 'directory') throw new Error('overlay applies into a directory when there is no parent')
  return target.path
}

/** A layer that has `paths` as directories it never described, committed on `parent` as `top`; its directory. */
async function imply(room: SnapshotRoom, parent: string, ...paths: string[]): Promise<string> {
  const at = await directory(room, 'key')
  for (const path of paths) {
    await mkdir(join(at, path), { recursive: true })
    await writeFile(join(at, path, 'file'), '')
  }
  await room.ask.commit({ key: 'key', name: 'top', parent, implied: paths })
  return at
}

/** A directory unlike the ones made by the way. */
async function special(path: string, uid = 7): Promise<void> {
  await mkdir(path, { recursive: true })
  await chown(path, uid, uid)
  await chmod(path, 0o3750)
  lsetxattr(path, 'user.word', Buffer.from(`of ${uid}`))
  await utimes(path, 1000, 2000)
}

const described = async (path: string) => {
  const { uid, gid, mode, mtimeMs } = await stat(path)
  return { uid, gid, mode: mode & 0o7777, mtime: mtimeMs / 1000, words: llistxattr(path).filter((name) => name.startsWith('user.')) }
}
const plain = { uid: 0, gid: 0, mode: 0o755, words: [] }
const of = (uid: number) => ({ uid, gid: uid, mode: 0o3750, mtime: 2000, words: ['user.word'] })
const opaque = (path: string) => lsetxattr(path, 'trusted.overlay.opaque', Buffer.from('y'))
const whiteout = (path: string) => mknodat(-100, path, S.CHR, 0, 0)

test('a directory takes owner, mode, times and attributes from the parent', async () => {
  await using room = await openSnapshotRoom({ driver: 'overlay' })
  const parent = await stack(room, (at) => special(join(at, 'a/b')))
  await imply(room, parent, 'a', 'a/b')
  await room.look('top', async (at) => {
    expect(await described(join(at, 'a/b'))).toEqual(of(7))
    expect(await described(join(at, 'a'))).toMatchObject(plain)
    expect(lgetxattr(join(at, 'a/b'), 'user.word').toString()).toBe('of 7')
  })
})

test('it comes from the uppermost layer that has it', async () => {
  await using room = await openSnapshotRoom({ driver: 'overlay' })
  const parent = await stack(
    room,
    (at) => special(join(at, 'd'), 1),
    (at) => special(join(at, 'd'), 2),
    (at) => mkdir(join(at, 'other')),
  )
  await imply(room, parent, 'd')
  expect(await room.look('top', (at) => described(join(at, 'd')))).toEqual(of(2))
})

test('attributes of overlayfs itself stay where they are', async () => {
  await using room = await openSnapshotRoom({ driver: 'overlay' })
  const parent = await stack(room, async (at) => {
    await special(join(at, 'd'))
    opaque(join(at, 'd'))
  })
  const at = await imply(room, parent, 'd')
  expect(llistxattr(join(at, 'd')).filter((name) => name.includes('overlay'))).toEqual([])
})

test.for<[string, ((at: string) => unknown)[]]>([
  ['no layer has it', [(at) => mkdir(join(at, 'other'))]],
  ['a layer between removed it', [(at) => special(join(at, 'd')), (at) => whiteout(join(at, 'd'))]],
  [
    'a layer between removed what it was in',
    [(at) => special(join(at, 'x/d')), (at) => whiteout(join(at, 'x')), (at) => mkdir(join(at, 'unrelated'))],
  ],
  [
    'a layer between made what it was in anew',
    [
      (at) => special(join(at, 'x/d')),
      async (at) => {
        await mkdir(join(at, 'x'))
        opaque(join(at, 'x'))
      },
    ],
  ],
])('it stays as it is when %s', async ([, layers]) => {
  await using room = await openSnapshotRoom({ driver: 'overlay' })
  const parent = await stack(room, ...layers)
  await imply(room, parent, 'd', 'x/d')
  await room.look('top', async (at) => {
    expect(await described(join(at, 'd'))).toMatchObject(plain)
    expect(await described(join(at, 'x/d'))).toMatchObject(plain)
  })
})

test('it stays as it is in a directory the layer itself made opaque', async () => {
  await using room = await openSnapshotRoom({ driver: 'overlay' })
  const parent = await stack(room, (at) => special(join(at, 'x/d')))
  const at = await directory(room, 'key')
  await mkdir(join(at, 'x/d'), { recursive: true })
  opaque(join(at, 'x'))
  await room.ask.commit({ key: 'key', name: 'top', parent, implied: ['x/d'] })
  expect(await room.look('top', (seen) => described(join(seen, 'x/d')))).toMatchObject(plain)
})

test.for<[string, (at: string) => unknown, string, string]>([
  ['a file', (at) => writeFile(join(at, 'd'), ''), 'd', 'd'],
  ['a link to a directory', (at) => symlink('/tmp', join(at, 'd')), 'd', 'd'],
  ['a device', (at) => mknodat(-100, join(at, 'd'), S.CHR, 1, 3), 'd', 'd'],
  ['a link on the way', (at) => symlink('/tmp', join(at, 'd')), 'd/e/f', 'd'],
  [
    'a link to itself on the way',
    async (at) => {
      await mkdir(join(at, 'a'))
      await symlink('b', join(at, 'a/b'))
    },
    'a/b/c',
    'a/b',
  ],
  [
    'a file of several names',
    async (at) => {
      await writeFile(join(at, 'x'), '')
      await link(join(at, 'x'), join(at, 'd'))
    },
    'd',
    'd',
  ],
])('%s in its place is refused, and the snapshot stays active', async ([, below, path, named]) => {
  await using room = await openSnapshotRoom({ driver: 'overlay' })
  const parent = await stack(room, below, (at) => mkdir(join(at, 'unrelated')))
  expect(await failureOf(imply(room, parent, path))).toMatchObject({
    code: 'failed_precondition',
    details: { reason: 'implied', path: named },
  })
  expect(await room.ask.stat({ key: 'key' })).toMatchObject({ kind: 'active' })
  expect((await room.ask.stat({ key: 'key' })).parent).toBeUndefined()
  expect(await failureOf(room.ask.stat({ key: 'top' }))).toMatchObject({ code: 'not_found' })
  await room.ask.remove({ key: parent })
})

test('one the layer took away again is passed over', async () => {
  await using room = await openSnapshotRoom({ driver: 'overlay' })
  const parent = await stack(room, (at) => special(join(at, 'd')))
  await directory(room, 'key')
  await room.ask.commit({ key: 'key', name: 'top', parent, implied: ['d', 'e/f'] })
  expect(await room.look('top', (at) => described(join(at, 'd')))).toEqual(of(7))
})

test('the root can be one of them', async () => {
  await using room = await openSnapshotRoom({ driver: 'overlay' })
  const parent = await stack(room, (at) => special(at))
  await directory(room, 'key')
  await room.ask.commit({ key: 'key', name: 'top', parent, implied: ['.'] })
  expect(await room.look('top', described)).toEqual(of(7))
})

test('a path that leads out is refused', async () => {
  await using room = await openSnapshotRoom({ driver: 'overlay' })
  const parent = await stack(room, (at) => mkdir(join(at, 'd')))
  await directory(room, 'key')
  for (const path of ['../x', 'd/../../x', '/..']) {
    const failure = await failureOf(room.ask.commit({ key: 'key', name: 'top', parent, implied: [path] }))
    expect(failure).toMatchObject({ code: 'invalid_argument' })
  }
})
