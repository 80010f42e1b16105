import { chmodSync, existsSync, lstatSync, mkdirSync, readFileSync, renameSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { Failure } from '../../../messages/grammar/index.ts'
import { mountAll } from '../../../runtime/mounts.ts'
import { startChild } from '../../support/child.ts'
import { archive, directory, fifo, file, link, longName, type Piece, symlink } from '../../support/layers.ts'
import { listing } from '../../support/listing.ts'
import { type Ground, ground, isRoot } from './applying.ts'

/** A directory of the image, of the place beside the root, and never of this machine. */
const etc = 'gantry-breakout-etc'

interface Case {
  readonly name: string
  /** a layer applied before, by the same rules */
  readonly before?: readonly Piece[]
  readonly layer: readonly Piece[]
  /** files in the root afterwards: contents, or `->` and a link's target, or undefined for none */
  readonly files?: Readonly<Record<string, string | undefined>>
  readonly refused?: true
  /** what it does, it does only where it sees what is below */
  readonly onParent?: true
  /** marked for overlayfs it cannot be applied without seeing what is below */
  readonly asksForParent?: true
}

const inside = [directory(etc, { mode: 0o770 }), file(`/${etc}/passwd`, 'inside')]
const users = [directory(etc), file(`${etc}/passwd`, 'all users')]

/** A file that is nothing but a hole. */
const holes = (name: string, size: number): Piece =>
  file(name, '', { pax: { 'GNU.sparse.size': String(size), 'GNU.sparse.map': `${size},0` } })

const cases: readonly Case[] = [
  {
    name: 'SymlinkAbsolute',
    layer: [directory(etc), symlink(`/${etc}`, 'localetc'), file('/localetc/unbroken', 'in')],
    files: { [`${etc}/unbroken`]: 'in' },
  },
  {
    name: 'SymlinkUpAndOut',
    layer: [directory(etc), directory('dummy'), symlink(`/dummy/../${etc}`, 'localetc'), file('/localetc/unbroken', 'in')],
    files: { [`${etc}/unbroken`]: 'in' },
  },
  {
    name: 'SymlinkMultipleAbsolute',
    layer: [
      directory(etc),
      directory('dummy'),
      symlink('/', '/dummy/root'),
      symlink(`/dummy/root/${etc}`, 'localetc'),
      file('/localetc/unbroken', 'in'),
    ],
    files: { [`${etc}/unbroken`]: 'in', 'dummy/root': '-> /' },
  },
  {
    name: 'SymlinkMultipleRelative',
    layer: [
      directory(etc),
      symlink(`../../../../${etc}`, 'one'),
      symlink('one', 'two'),
      symlink('./two/../one', 'three'),
      file('three/unbroken', 'in'),
    ],
    files: { [`${etc}/unbroken`]: 'in' },
  },
  {
    name: 'SymlinkMultipleRelative to a directory that is not there',
    layer: [symlink(`../../../../${etc}`, 'one'), symlink('one', 'two'), file('two/below/unbroken', 'in')],
    files: { [`${etc}/below/unbroken`]: 'in' },
  },
  {
    name: 'SymlinkEmptyFile',
    before: [directory(etc), file(`${etc}/emptied`, 'notempty'), symlink(`/${etc}`, 'localetc')],
    layer: [file('/localetc/emptied', '')],
    files: { [`${etc}/emptied`]: '' },
  },
  {
    name: 'HardlinkRelative',
    layer: [...inside, symlink(`${etc}/./../../${etc}`, 'localetc'), link('/localetc/passwd', 'localpasswd')],
    files: { localpasswd: 'inside' },
  },
  {
    name: 'HardlinkDownAndOut',
    layer: [...inside, directory('dummy'), symlink(`dummy/../../${etc}`, 'localetc'), link('/localetc/passwd', 'localpasswd')],
    files: { localpasswd: 'inside' },
  },
  {
    name: 'HardlinkAbsolute',
    layer: [...inside, symlink(`/${etc}`, 'localetc'), link('/localetc/passwd', 'localpasswd')],
    files: { localpasswd: 'inside' },
  },
  {
    name: 'HardlinkRelativeLong',
    layer: [...inside, symlink(`../../../../../../../../${etc}`, 'localetc'), link('/localetc/passwd', 'localpasswd')],
    files: { localpasswd: 'inside' },
  },
  {
    name: 'HardlinkRelativeUpAndOut',
    layer: [...inside, symlink(`upandout/../../../${etc}`, 'localetc'), link('localetc/passwd', 'localpasswd')],
    // `upandout` is nowhere: a layer below might have it
    files: { localpasswd: 'inside' },
    asksForParent: true,
  },
  {
    name: 'HardlinkDirectRelative',
    layer: [...inside, link(`../../../../../${etc}/passwd`, 'localpasswd')],
    files: { localpasswd: 'inside' },
  },
  { name: 'HardlinkDirectAbsolute', layer: [...inside, link(`/${etc}/passwd`, 'localpasswd')], files: { localpasswd: 'inside' } },
  { name: 'SymlinkParentDirectory', layer: [directory(etc), symlink(`/${etc}`, '..'), file('file', 'in')], files: { file: 'in' } },
  { name: 'SymlinkEmptyFilename', layer: [directory(etc), symlink(`/${etc}`, ''), file('file', 'in')], files: { file: 'in' } },
  {
    name: 'SymlinkParentRelative',
    layer: [directory(etc), symlink(`/${etc}`, `localetc/sub/..`), file('/localetc/unbroken', 'in')],
    files: { [`${etc}/unbroken`]: 'in', localetc: `-> /${etc}` },
  },
  {
    name: 'SymlinkSlashEnded',
    layer: [directory(etc), directory('localetc/'), symlink(`/../../${etc}`, 'localetc/'), file('/localetc/unbroken', 'in')],
    files: { [`${etc}/unbroken`]: 'in' },
  },
  {
    name: 'SymlinkOverrideDirectory',
    layer: [
      directory(etc),
      directory('localetc'),
      file('localetc/before', ''),
      symlink(`/${etc}`, 'localetc'),
      file('/localetc/unbroken', 'in'),
    ],
    files: { [`${etc}/unbroken`]: 'in', [`${etc}/before`]: undefined },
  },
  {
    name: 'SymlinkOverrideDirectoryRelative',
    layer: [
      directory(etc),
      directory('localetc'),
      file('localetc/before', ''),
      symlink(`../../../${etc}`, 'localetc'),
      file('localetc/unbroken', 'in'),
    ],
    files: { [`${etc}/unbroken`]: 'in' },
  },
  {
    name: 'DirectoryOverrideSymlink',
    layer: [
      directory(etc),
      symlink(`/${etc}`, 'localetc'),
      file('/localetc/first', '1'),
      directory('/localetc/'),
      file('/localetc/unbroken', 'in'),
    ],
    files: { 'localetc/unbroken': 'in', [`${etc}/first`]: '1', [`${etc}/unbroken`]: undefined },
  },
  {
    name: 'DirectoryOverrideSymlinkAndHardlink',
    before: [directory(etc), file(`${etc}/passwd`, 'inside'), symlink(etc, 'localetc'), link(`/${etc}/passwd`, '/localetc/localpasswd')],
    layer: [directory('/localetc/'), file('/localetc/localpasswd', 'different')],
    files: { 'localetc/localpasswd': 'different', [`${etc}/passwd`]: 'inside', [`${etc}/localpasswd`]: 'inside' },
  },
  { name: 'WhiteoutRootParent', before: users, layer: [file('.wh...')], refused: true },
  { name: 'WhiteoutParent', before: users, layer: [file(`${etc}/.wh...`)], refused: true },
  { name: 'WhiteoutRoot', before: users, layer: [file('.wh..')], refused: true },
  { name: 'WhiteoutCurrentDirectory', before: users, layer: [file(`${etc}/.wh..`)], refused: true },
  { name: 'WhiteoutNothing', before: users, layer: [file(`${etc}/.wh.`)], refused: true },
  {
    name: 'WhiteoutSymlink',
    before: [...users, symlink(`/${etc}`, 'localetc')],
    layer: [file('.wh.localetc')],
    files: { [`${etc}/passwd`]: 'all users', localetc: undefined },
  },
  {
    name: 'WhiteoutSymlinkPath',
    before: [...users, file(`${etc}/whitedout`, 'ahhhh'), symlink(`/${etc}`, 'localetc')],
    layer: [file('localetc/.wh.whitedout')],
    files: { [`${etc}/passwd`]: 'all users', [`${etc}/whitedout`]: undefined },
  },
  {
    name: 'WhiteoutDirectoryName',
    before: users,
    layer: [file(`.wh.${etc}/somefile`, 'non-empty')],
    files: { [`${etc}/passwd`]: 'all users', [`.wh.${etc}/somefile`]: 'non-empty' },
  },
  {
    name: 'WhiteoutDeadSymlinkParent',
    before: [...users, symlink('/dne', 'localetc')],
    layer: [file(`localetc/.wh.${etc}`)],
    files: { [`${etc}/passwd`]: 'all users' },
  },
  {
    name: 'WhiteoutRelativePath',
    before: [...users, symlink('/dne', 'localetc')],
    layer: [file(`dne/../.wh.${etc}`)],
    files: { [`${etc}/passwd`]: undefined, [etc]: undefined },
  },
  {
    name: 'SymlinkOverridePath',
    layer: [
      directory('pwn'),
      file('pwn/file', 'pwned'),
      symlink('/', 'pwn'),
      file(`pwn/${etc}/unbroken`, 'in'),
      directory('pwn'),
      file('pwn/last', 'in'),
    ],
    files: { [`${etc}/unbroken`]: 'in', 'pwn/last': 'in', last: undefined, 'pwn/file': undefined },
  },
  {
    name: 'SymlinkOverridePath below a directory that is replaced',
    layer: [
      directory('a'),
      directory('a/b'),
      file('a/b/one', '1'),
      directory(etc),
      symlink(`../../${etc}`, 'a'),
      directory(`${etc}/b`),
      file('a/b/two', '2'),
      symlink(`/${etc}`, 'a'),
      file('a/b/three', '3'),
    ],
    files: { [`${etc}/b/two`]: '2', [`${etc}/b/three`]: '3', [`${etc}/b/one`]: undefined },
  },
  {
    name: 'SymlinkRedirected: what a link led to is not remembered',
    layer: [directory('one'), directory('two'), symlink('one', 'way'), file('way/a', '1'), symlink('two', 'way'), file('way/b', '2')],
    files: { 'one/a': '1', 'two/b': '2', 'one/b': undefined },
  },
  {
    name: 'HardlinkSymlinkBeforeCreateTarget',
    layer: [directory(etc), symlink(`/${etc}/passwd`, 'localpasswd'), link('localpasswd', 'dup'), file(`/${etc}/passwd`, 'after')],
    files: { [`${etc}/passwd`]: 'after', dup: `-> /${etc}/passwd`, localpasswd: `-> /${etc}/passwd` },
  },
  {
    name: 'HardlinkSymlinkRelative',
    layer: [...inside, symlink(`../../../../../${etc}/passwd`, 'passwdlink'), link('/passwdlink', 'localpasswd')],
    files: { localpasswd: `-> ../../../../../${etc}/passwd` },
  },
  {
    name: 'HardlinkSymlinkAbsolute',
    layer: [...inside, symlink(`/${etc}/passwd`, 'passwdlink'), link('/passwdlink', 'localpasswd')],
    files: { localpasswd: `-> /${etc}/passwd` },
  },
  {
    name: 'HardlinkSymlinkChmod',
    layer: [symlink(`../${etc}/passwd`, 'loosepasswd'), link('loosepasswd', 'again', { mode: 0o6777, uid: 77, gid: 77, mtime: 5 })],
    files: { again: `-> ../${etc}/passwd` },
  },
  {
    name: 'FileThroughSymlink replaces the link',
    layer: [symlink(`../${etc}/passwd`, 'name'), file('name', 'in', { mode: 0o777 })],
    files: { name: 'in' },
  },
  {
    name: 'FileAbsolute and above the root',
    layer: [file(`/../../../${etc}/passwd`, 'in'), file(`/${etc}/other`, 'in')],
    files: { [`${etc}/passwd`]: 'in', [`${etc}/other`]: 'in' },
  },
  {
    name: 'OpaqueAfterNewFiles whose directories are not described',
    before: [directory('d'), file('d/old', ''), directory('d/sub'), file('d/sub/old', ''), directory('d/gone'), file('d/gone/old', '')],
    layer: [file('d/sub/new', '1'), file('d/deep/er/new', '2'), symlink('sub/new', 'd/way'), file('d/.wh..wh..opq'), file('d/last', '3')],
    files: {
      'd/sub/new': '1',
      'd/deep/er/new': '2',
      'd/way': '-> sub/new',
      'd/last': '3',
      'd/old': undefined,
      'd/sub/old': undefined,
      'd/gone': undefined,
    },
  },
  {
    name: 'OpaqueThroughSymlink',
    before: [...users, symlink(`/${etc}`, 'localetc')],
    layer: [file('localetc/new', 'in'), file('localetc/.wh..wh..opq')],
    files: { [`${etc}/new`]: 'in', [`${etc}/passwd`]: undefined, localetc: `-> /${etc}` },
    onParent: true,
  },
  {
    name: 'WhiteoutThroughSymlinkOut',
    before: [...users, symlink(`../../${etc}`, 'out')],
    layer: [file('out/.wh.passwd'), file('out/../.wh.nothing')],
    files: { [`${etc}/passwd`]: undefined },
    onParent: true,
  },
  {
    name: 'HardlinkOverrideDirectory: the directory of the target is replaced by a link before',
    layer: [directory('a'), file('a/passwd', 'mine'), ...inside, symlink(`../../${etc}`, 'a'), link('a/passwd', 'local')],
    files: { local: 'inside' },
  },
  {
    name: 'HardlinkOverrideTarget: a link replaces the target between two hard links',
    layer: [file('a', 'mine'), link('a', 'first'), symlink(`../${etc}/passwd`, 'a'), link('a', 'second'), file('second', 'replaced')],
    files: { first: 'mine', a: `-> ../${etc}/passwd`, second: 'replaced' },
  },
  {
    name: 'HardlinkWrite: writing to one name of a file does not write to the others',
    layer: [...inside, link(`${etc}/passwd`, 'name'), file('name', 'changed', { mode: 0o777 })],
    files: { name: 'changed', [`${etc}/passwd`]: 'inside' },
  },
  {
    name: 'HardlinkParentOverride: the directory of a hard link becomes a link to outside',
    layer: [...inside, directory('d'), link(`${etc}/passwd`, 'd/one'), symlink('../..', 'd'), link(`${etc}/passwd`, 'd/two')],
    files: { two: 'inside', 'd/one': undefined },
  },
  {
    name: 'DirectoryMode through a link that takes its place',
    layer: [directory('d', { mode: 0o700 }), symlink(`../${etc}`, 'd'), file('d/file', 'in'), directory('d', { mode: 0o777, mtime: 5 })],
    files: { [`${etc}/file`]: 'in', d: 'directory' },
  },
  { name: 'DeviceThroughSymlink', layer: [symlink(`../${etc}`, 'd'), fifo('d/passwd', { mode: 0o777 })], files: { d: `-> ../${etc}` } },
  { name: 'SparseThroughSymlink', layer: [symlink(`../${etc}/passwd`, 'f'), holes('f', 5000)], files: { f: '\0'.repeat(5000) } },
  { name: 'NameOfNul', layer: [file('x', '', { pax: { path: `a\0/../../${etc}` } })], refused: true },
  { name: 'LinkOfNul', layer: [symlink('x', 'x', { pax: { linkpath: `a\0/../../${etc}` } })], refused: true },
  {
    name: 'LongName up and out',
    layer: [longName(`${'a/../'.repeat(60)}../../${etc}/passwd`, file('x', 'in'))],
    files: { [`${etc}/passwd`]: 'in' },
  },
  { name: 'SymlinkLoop', layer: [symlink('b', 'a'), symlink('a', 'b'), file('a/file', '')], refused: true },
  { name: 'SymlinkToItself', layer: [symlink('a/b', 'a'), file('a/file', '')], refused: true },
  { name: 'FileAsDirectory', layer: [file('a', ''), file('a/b', '')], refused: true },
  { name: 'HardlinkToDirectory', layer: [directory('a'), link('a', 'b')], refused: true },
  { name: 'HardlinkToRoot', layer: [link('..', 'b')], refused: true },
  { name: 'HardlinkToWhatItReplaces', layer: [directory('a'), file('a/b', ''), link('a/b', 'a')], refused: true },
  { name: 'HardlinkToItself', layer: [file('a', 'in'), link('./a', '/a')], files: { a: 'in' } },
]

/** Where layers go: one into another, with deletions carried out or as marks; or into what overlayfs shows of the one before, as a mount. */
type Way = 'remove' | 'overlay' | 'mounted'

describe.each<Way>(isRoot ? ['remove', 'overlay', 'mounted'] : ['remove'])('nothing gets out of the root, deletions %s', (way) => {
  test.each(cases)('$name', async ({ before, layer, files, refused, asksForParent, onParent }) => {
    using at = ground()
    const outside = join(at.base, etc)
    mkdirSync(outside)
    writeFileSync(join(outside, 'passwd'), 'outside')
    chmodSync(join(outside, 'passwd'), 0o600)
    const untouched = listing(outside)
    const whiteouts = way === 'overlay' ? ('overlay' as const) : ('remove' as const)
    // an upper directory begins empty: one layer does what two did
    const together = way === 'overlay' && before !== undefined
    if (before !== undefined && !together) await at.apply(archive(...before), { whiteouts })
    await using _ = way === 'mounted' && before !== undefined ? await overlaid(at) : undefined
    const applied = at.apply(archive(...(together ? before : []), ...layer), { whiteouts })
    if (refused === undefined && !(asksForParent && way === 'overlay')) await applied
    else await expect(applied).rejects.toMatchObject({ code: expect.stringMatching(/^(data_loss|failed_precondition)$/) })
    expect(listing(outside)).toEqual(untouched)
    expect(statSync(join(at.base)).isDirectory()).toBe(true)
    expect(existsSync(`/${etc}`)).toBe(false)
    // a deletion in the layer that made what it deletes deletes nothing of it
    const deletes = layer.some((piece) => piece.includes('.wh.'))
    if (refused || (asksForParent && way === 'overlay') || (together && (deletes || onParent))) return
    for (const [path, expected] of Object.entries(files ?? {})) expect({ [path]: look(join(at.root, path)) }).toEqual({ [path]: expected })
  })
})

/** The root becomes what overlayfs shows of it, under an upper directory of its own. */
async function overlaid(at: Ground): Promise<AsyncDisposable> {
  const [lower, upper, work] = ['lower', 'upper', 'work'].map((name) => join(at.base, name)) as [string, string, string]
  renameSync(at.root, lower)
  for (const path of [at.root, upper, work]) mkdirSync(path)
  return await mountAll(
    [{ type: 'overlay', source: 'overlay', options: [`lowerdir=${lower}`, `upperdir=${upper}`, `workdir=${work}`] }],
    at.root,
  )
}

test('another who changes the tree meanwhile leads nothing out of it', async () => {
  using at = ground()
  const outside = join(at.base, etc)
  mkdirSync(outside)
  writeFileSync(join(outside, 'passwd'), 'outside', { mode: 0o600 })
  const untouched = listing(outside)
  await using other = startChild(new URL('swap-process.ts', import.meta.url), [at.root, outside])
  await other.saying('swapping')
  const layer = archive(
    ...Array.from({ length: 100 }, (_, index) => [
      directory('d', { mode: 0o777 }),
      directory(`d/e${index}`),
      file(`d/e${index}/passwd`, 'in'),
      file('d/passwd', 'in', { mode: 0o777 }),
      symlink('passwd', 'd/sym'),
      file('d/.wh.passwd'),
    ]).flat(),
  )
  // whatever it comes to: nobody else is to be there, and nothing is promised of the tree
  for (let round = 0; round < 3; round++) await at.apply(layer).catch((error: unknown) => expect(error).toBeInstanceOf(Failure))
  expect(listing(outside)).toEqual(untouched)
})

function look(path: string): string | undefined {
  const status = lstatSync(path, { throwIfNoEntry: false })
  if (status === undefined) return undefined
  return status.isSymbolicLink() ? `-> ${linkOf(path)}` : status.isDirectory() ? 'directory' : readFileSync(path, 'utf8')
}

const linkOf = (path: string): string => listing(join(path, '..'))[path.split('/').at(-1) ?? '']?.target ?? ''
