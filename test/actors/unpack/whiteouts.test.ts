import { existsSync } from 'node:fs'
import { describe, expect, test } from 'vitest'
import { archive, directory, file, link, type Piece, symlink } from '../../support/layers.ts'
import { listing } from '../../support/listing.ts'
import { type Ground, ground, isRoot } from './applying.ts'

const names = (at: Ground): string[] => Object.keys(listing(at.root))

describe('deletions carried out', () => {
  const lower = [
    directory('a'),
    directory('a/b'),
    file('a/b/old', ''),
    file('a/old', ''),
    directory('a/c'),
    directory('a/c/d'),
    file('a/c/d/old', ''),
    file('keep', ''),
  ]
  const after = async (...layer: Piece[]): Promise<string[]> => {
    using at = ground()
    await at.apply(archive(...lower))
    await at.apply(archive(...layer))
    return names(at)
  }

  test('a file, a directory with all below it, and nothing at all are removed', async () => {
    expect(await after(file('a/.wh.old'), file('a/.wh.c'), file('.wh.never'))).toEqual(['a', 'a/b', 'a/b/old', 'keep'])
  })

  test('an opaque directory keeps what this layer has, and nothing else', async () => {
    const expected = ['a', 'a/b', 'a/b/new', 'a/new', 'keep']
    expect(await after(file('a/.wh..wh..opq'), file('a/new'), file('a/b/new'))).toEqual(expected)
    expect(await after(directory('a'), file('a/new'), file('a/b/new'), file('a/.wh..wh..opq'))).toEqual(expected)
    expect(await after(file('a/b/new'), file('a/.wh..wh..opq'), file('a/new'))).toEqual(expected)
  })

  test('an opaque marker after a directory that was described clears it of what was there', async () => {
    expect(await after(directory('a/c'), symlink('x', 'a/c/link'), file('a/.wh..wh..opq'))).toEqual(['a', 'a/c', 'a/c/link', 'keep'])
  })

  test('a deletion is about layers below, never about this one, whichever comes first', async () => {
    expect(await after(file('a/.wh.old'), file('a/old', 'new'))).toContain('a/old')
    expect(await after(file('a/old', 'new'), file('a/.wh.old'))).toContain('a/old')
    expect(await after(file('a/b/new'), file('a/.wh.b'))).toEqual(['a', 'a/b', 'a/b/new', 'a/c', 'a/c/d', 'a/c/d/old', 'a/old', 'keep'])
    expect(await after(file('a/.wh.b'), file('a/b/new'))).toEqual(['a', 'a/b', 'a/b/new', 'a/c', 'a/c/d', 'a/c/d/old', 'a/old', 'keep'])
  })

  test('a deletion does not change when its directory was changed', async () => {
    using at = ground()
    await at.apply(archive(directory('a', { mtime: 77 }), file('a/x', '')))
    await at.apply(archive(file('a/.wh.x')))
    expect(listing(at.root)).toEqual({ a: expect.objectContaining({ mtime: '77.000000000' }) })
  })

  test('what aufs kept for itself is ignored', async () => {
    expect(await after(file('.wh..wh.aufs'), directory('.wh..wh.plnk'))).toEqual(await after())
  })

  test('a directory goes with all below it, however deep that is', async () => {
    using at = ground()
    await at.apply(archive(file('', '', { pax: { path: `a/${'d/'.repeat(1000)}file` } })))
    await at.apply(archive(file('.wh.a')))
    expect(names(at)).toEqual([])
  })

  test('a directory with a name that is not UTF-8 goes with all below it', async () => {
    using at = ground()
    await at.apply(archive(directory('\xff'), file('\xff/\xfe'), directory('\xff/deep'), symlink('/etc', '\xff/deep/link')))
    await at.apply(archive(file('.wh.\xff')))
    expect(names(at)).toEqual([])
  })
})

describe.runIf(isRoot)('deletions marked for overlayfs', () => {
  const marks = async (...layer: Piece[]): Promise<{ tree: Record<string, string>; implied: string[] }> => {
    using at = ground()
    const { implied } = await at.apply(archive(...layer), { whiteouts: 'overlay' })
    const tree = Object.entries(listing(at.root)).map(([name, { kind, device, owner, xattrs }]) => {
      const opaque = xattrs?.['trusted.overlay.opaque'] === 'y' ? ' opaque' : ''
      return [name, device === '0:0' ? `gone ${owner}` : `${kind}${opaque}`]
    })
    return { tree: Object.fromEntries(tree), implied }
  }

  test('a removed name is a character device 0:0 with the owner of the tar', async () => {
    expect(await marks(directory('a'), file('a/.wh.b', '', { uid: 5, gid: 6 }))).toEqual({
      tree: { a: 'directory', 'a/b': 'gone 5:6' },
      implied: ['.'],
    })
  })

  test('an opaque directory has the attribute, whatever comes first', async () => {
    const expected = { a: 'directory opaque', 'a/new': 'file' }
    expect(await marks(directory('a'), file('a/.wh..wh..opq'), file('a/new'))).toEqual({ tree: expected, implied: ['.'] })
    expect(await marks(directory('a'), file('a/new'), file('a/.wh..wh..opq'))).toEqual({ tree: expected, implied: ['.'] })
    expect(await marks(file('a/new'), file('a/.wh..wh..opq'))).toEqual({ tree: expected, implied: ['.', 'a'] })
  })

  test('a name removed and brought again is there, a directory hiding what is below', async () => {
    expect((await marks(file('.wh.a'), file('a'))).tree).toEqual({ a: 'file' })
    expect((await marks(file('a'), file('.wh.a'))).tree).toEqual({ a: 'file' })
    expect((await marks(file('.wh.a'), directory('a'))).tree).toEqual({ a: 'directory opaque' })
    expect((await marks(directory('a'), file('.wh.a'))).tree).toEqual({ a: 'directory opaque' })
    expect(await marks(file('.wh.a'), file('a/b'))).toEqual({ tree: { a: 'directory opaque', 'a/b': 'file' }, implied: ['.'] })
    expect((await marks(file('a'), directory('a'))).tree).toEqual({ a: 'directory opaque' })
  })

  test('directories that were needed and not described are told, others not', async () => {
    expect((await marks(file('a/b/c/file'), directory('a/b'), file('d/.wh.x'), directory('e'))).implied).toEqual(['.', 'a', 'a/b/c', 'd'])
    expect((await marks(file('a/b/file'), file('a', 'now a file'))).implied).toEqual(['.'])
    expect((await marks(file(Buffer.from('é/x').toString('latin1')))).implied).toEqual(['.', 'é'])
    expect((await marks(directory('.'), directory('a'))).implied).toEqual([])
  })

  test('a directory that cannot be told in text asks for the parent', async () => {
    await expect(marks(file('\xff/x'))).rejects.toMatchObject({ code: 'failed_precondition', details: { reason: 'parent' } })
  })

  test('a layer with nothing below needs no parent to be asked for, whatever it does not describe', async () => {
    using at = ground()
    const many = Array.from({ length: 1200 }, (_, index) => file('', '', { pax: { path: `${'d'.repeat(230)}${index}/x` } }))
    const layer = archive(file('\xff/x'), file('a/y'), ...many)
    await expect(at.apply(layer, { whiteouts: 'overlay' })).rejects.toMatchObject({ details: { reason: 'parent' } })
    using base = ground()
    const { implied, entries } = await base.apply(layer, { whiteouts: 'overlay', base: true })
    expect({ entries, some: implied.slice(0, 2) }).toEqual({ entries: 1202, some: ['.', 'a'] })
    expect(implied.join('').length).toBeLessThanOrEqual(256 * 1024)
    await expect(base.apply(archive(link('never', 'x')), { whiteouts: 'overlay', base: true })).rejects.toMatchObject({ code: 'data_loss' })
  })

  test('a hard link to what the layer does not have asks for the parent', async () => {
    const expected = { code: 'failed_precondition', details: { reason: 'parent' } }
    await expect(marks(link('a/b', 'c'))).rejects.toMatchObject(expected)
    await expect(marks(directory('a'), link('a/b', 'c'))).rejects.toMatchObject(expected)
    await expect(marks(file('.wh.b'), link('b', 'c'))).rejects.toMatchObject({ code: 'data_loss' })
  })

  test('looking for the target of a hard link makes nothing', async () => {
    using at = ground()
    await expect(at.apply(archive(link('a/b/c', 'd')), { whiteouts: 'overlay' })).rejects.toThrow()
    expect(existsSync(`${at.root}/a`)).toBe(false)
  })

  test('a layer cannot speak to overlayfs', async () => {
    using at = ground()
    const warnings: string[] = []
    const pax = { 'SCHILY.xattr.trusted.overlay.redirect': '/etc', 'SCHILY.xattr.user.overlay.opaque': 'y', 'SCHILY.xattr.user.mine': '1' }
    await at.apply(archive(directory('a', { pax })), { whiteouts: 'overlay' }, { warn: (what) => void warnings.push(what) })
    expect(listing(at.root)['a']?.xattrs).toEqual({ 'user.mine': '1' })
    expect(warnings).toHaveLength(2)
  })
})
