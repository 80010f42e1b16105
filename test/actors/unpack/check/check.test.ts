import { execFileSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import {
  chmodSync,
  chownSync,
  linkSync,
  mkdirSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
  truncateSync,
  unlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import { gzipSync } from 'node:zlib'
import { describe, expect, test } from 'vitest'
import { type Checking, type CheckOptions, check } from '../../../../actors/unpack/check/check.ts'
import { lremovexattr, lsetxattr, mknodat, S, statx, utimensat } from '../../../../runtime/syscalls/index.ts'
import { archive, character, directory, fifo, file, link, type Piece, symlink } from '../../../support/layers.ts'
import { failureOf } from '../../../support/snapshots.ts'
import { type Ground, ground, isRoot, whole } from '../applying.ts'

const digestOf = (bytes: Uint8Array) => `sha256:${createHash('sha256').update(bytes).digest('hex')}`

/** A layer applied as an upper directory of overlayfs, ready to be compared. */
async function applied(...pieces: Piece[]): Promise<{
  place: Ground
  at: (name: string) => string
  implied: string[]
  check: (changed?: Partial<Checking>, options?: Partial<CheckOptions>) => ReturnType<typeof check>
  damage: () => Promise<[string, string][]>
}> {
  const place = ground()
  const blob = gzipSync(archive(...pieces))
  const path = join(place.base, 'layer')
  writeFileSync(path, blob)
  const { implied } = await place.apply(blob, { whiteouts: 'overlay' })
  const checking = { digest: digestOf(blob), size: blob.length, path: place.root, whiteouts: 'overlay' as const, implied }
  const run = (changed: Partial<Checking> = {}, options: Partial<CheckOptions> = {}) =>
    check({ ...checking, growth: whole(path, blob.length), ...changed }, { signal: new AbortController().signal, ...options })
  return {
    place,
    at: (name) => join(place.root, name),
    implied,
    check: run,
    damage: async () => (await run()).damaged.map((one) => [one.path, one.why]),
  }
}

/** Everything a layer can say, in one of them. */
const pieces = [
  directory('./', { mode: 0o751, uid: 1, mtime: 5 }),
  directory('etc/', { mode: 0o755, pax: { 'SCHILY.xattr.user.of': 'etc' } }),
  file('etc/passwd', 'root:x:0:0', { mode: 0o640, uid: 10, gid: 20, pax: { mtime: '1700000000.987654321' } }),
  file('etc/empty'),
  file('etc/large', Buffer.alloc(3_000_000, 'large')),
  file('etc/attributed', 'x', { pax: { 'SCHILY.xattr.user.raw': Buffer.from([0xff, 0, 0x0a]) } }),
  link('etc/passwd', 'etc/passwd-'),
  symlink('etc', 'link'),
  file('link/through', 'a link'),
  symlink('nowhere', 'dangling', { uid: 7 }),
  character('null', 1, 3, { mode: 0o666 }),
  fifo('pipe', { mode: 0o600 }),
  file('implied/by/this', 'x'),
  file('.wh.gone'),
  directory('opaque/'),
  file('opaque/.wh..wh..opq'),
  file('opaque/kept', 'x'),
  file('caf\xe9', 'latin1'),
  file('twice', 'first', { mode: 0o600 }),
  file('twice', 'second', { mode: 0o644 }),
  file('was-a-file', 'x'),
  directory('was-a-file/'),
  directory('was-a-directory/'),
  file('was-a-directory/lost', 'x'),
  file('was-a-directory', 'x'),
  directory('again/', { mode: 0o700 }),
  file('again/inside', 'x'),
  directory('again/', { mode: 0o711 }),
  file('.wh.again'),
]

describe.runIf(isRoot)('a layer and its directory', () => {
  test('agree when nothing happened, whatever the layer does', async () => {
    const layer = await applied(...pieces)
    using _place = layer.place
    expect(await layer.check()).toEqual({ entries: pieces.length, differing: 0, damaged: [] })
  })

  const harms: [string, (at: (name: string) => string) => void, [string, string][]][] = [
    ['contents of a file, a byte', (at) => flip(at('etc/large'), 2_000_000), [['etc/large', 'other contents']]],
    [
      'length of a file',
      (at) => keepTime(at('etc/large'), () => truncateSync(at('etc/large'), 5)),
      [['etc/large', '5 bytes in place of 3000000']],
    ],
    [
      'mode',
      (at) => chmodSync(at('etc/passwd'), 0o644),
      [
        ['etc/passwd', 'mode 644 in place of 640'],
        ['etc/passwd-', 'mode 644 in place of 640'],
      ],
    ],
    ['mode of a directory', (at) => chmodSync(at('etc'), 0o700), [['etc', 'mode 700 in place of 755']]],
    ['mode of the root', (at) => chmodSync(at('.'), 0o700), [['.', 'mode 700 in place of 751']]],
    [
      'owner',
      (at) => chownSync(at('etc/passwd'), 0, 0),
      [
        ['etc/passwd', 'owner 0:0 in place of 10:20'],
        ['etc/passwd-', 'owner 0:0 in place of 10:20'],
      ],
    ],
    ['time', (at) => utimesSync(at('twice'), 1, 1), [['twice', 'changed at 1.000000000 in place of 1000000.000000000']]],
    [
      'an attribute',
      (at) => lsetxattr(at('etc/attributed'), 'user.raw', Buffer.from('y')),
      [['etc/attributed', 'attribute "user.raw" is another']],
    ],
    ['an attribute that is gone', (at) => lremovexattr(at('etc'), 'user.of'), [['etc', 'attribute "user.of" is missing']]],
    [
      'an attribute more',
      (at) => lsetxattr(at('twice'), 'user.more', Buffer.from('y')),
      [['twice', 'attribute "user.more", which the layer does not give it']],
    ],
    ['a file that is gone', (at) => keepTime(at('etc'), () => unlinkSync(at('etc/empty'))), [['etc/empty', 'it is missing']]],
    ['a file more', (at) => keepTime(at('etc'), () => writeFileSync(at('etc/more'), '')), [['etc/more', 'the layer has no such thing']]],
    [
      'a directory more, once',
      (at) => keepTime(at('.'), () => mkdirSync(at('more/and/more'), { recursive: true })),
      [['more', 'the layer has no such thing']],
    ],
    [
      'where a link leads',
      (at) =>
        keepTime(at('.'), () => {
          unlinkSync(at('dangling'))
          symlinkSync('elsewhere', at('dangling'))
          execFileSync('chown', ['-h', '7:0', at('dangling')])
          execFileSync('touch', ['-h', '-d', '@1000000', at('dangling')])
        }),
      [['dangling', 'a link to "elsewhere" in place of "nowhere"']],
    ],
    [
      'a device',
      (at) =>
        keepTime(at('.'), () => {
          unlinkSync(at('null'))
          mknodat(-100, at('null'), S.CHR | 0o666, 1, 5)
          chmodSync(at('null'), 0o666)
          utimesSync(at('null'), 1_000_000, 1_000_000)
        }),
      [['null', 'device 1:5 in place of 1:3']],
    ],
    [
      'what something is',
      (at) =>
        keepTime(at('.'), () => {
          unlinkSync(at('pipe'))
          mkdirSync(at('pipe'))
        }),
      [['pipe', 'directory in place of fifo']],
    ],
    [
      'names of one file',
      (at) =>
        keepTime(at('etc'), () => {
          execFileSync('cp', ['-a', at('etc/passwd-'), at('etc/copy')])
          renameSync(at('etc/copy'), at('etc/passwd-'))
        }),
      [['etc/passwd-', 'not the same file as its other names']],
    ],
    [
      'a name of another file',
      (at) =>
        keepTime(at('again'), () => {
          unlinkSync(at('again/inside'))
          linkSync(at('opaque/kept'), at('again/inside'))
        }),
      [['opaque/kept', 'the same file as another']],
    ],
    ['a mark of removal', (at) => keepTime(at('.'), () => unlinkSync(at('gone'))), [['gone', 'the mark of its removal is missing']]],
    [
      'a mark of removal more',
      (at) => keepTime(at('etc'), () => mknodat(-100, at('etc/hidden'), S.CHR, 0, 0)),
      [['etc/hidden', 'the layer has no such thing']],
    ],
    ['what hides', (at) => lremovexattr(at('opaque'), 'trusted.overlay.opaque'), [['opaque', 'it does not hide what is below it']]],
    [
      'hiding more',
      (at) => lsetxattr(at('implied'), 'trusted.overlay.opaque', Buffer.from('y')),
      [['implied', 'it hides what is below it']],
    ],
    ['a name that is no text', (at) => unlinkLatin1(at('.'), 'caf\xe9'), [['caf\ufffd', 'it is missing']]],
  ]

  test.each(harms)('differ in %s', async (_, harm, expected) => {
    const layer = await applied(...pieces)
    using _place = layer.place
    harm(layer.at)
    expect(await layer.damage()).toEqual(expected)
  })

  test('differ in nothing for what a directory nobody described is', async () => {
    const layer = await applied(...pieces)
    using _place = layer.place
    chmodSync(layer.at('implied/by'), 0o700)
    lsetxattr(layer.at('implied'), 'user.x', Buffer.from('y'))
    utimesSync(layer.at('implied'), 3, 3)
    expect(await layer.damage()).toEqual([])
  })

  test('differ in everything when the directory is gone', async () => {
    const layer = await applied(...pieces)
    using _place = layer.place
    rmSync(layer.place.root, { recursive: true })
    expect(await layer.check()).toMatchObject({ differing: 1, damaged: [{ path: '.', why: 'it is missing' }] })
  })

  test('differ in a hundred paths, and more are counted', async () => {
    const layer = await applied(...Array.from({ length: 150 }, (_, at) => file(`f${at}`, 'x')))
    using _place = layer.place
    for (let at = 0; at < 150; at++) chmodSync(layer.at(`f${at}`), 0)
    const { entries, differing, damaged } = await layer.check()
    expect([entries, differing, damaged.length]).toEqual([150, 150, 100])
  })

  test('are compared without a step outside the directory', async () => {
    const layer = await applied(directory('etc/'), file('etc/passwd', 'x'), symlink('etc', 'link'), file('link/more', 'x'))
    using _place = layer.place
    const outside = join(layer.place.base, 'outside')
    mkdirSync(outside)
    for (const name of ['passwd', 'more']) writeFileSync(join(outside, name), 'x')
    rmSync(layer.at('etc'), { recursive: true })
    symlinkSync(outside, layer.at('etc'))
    expect(await layer.damage()).toEqual([['etc', 'symlink in place of directory']])
    rmSync(layer.at('etc'))
    mkdirSync(layer.at('etc'))
    for (const name of ['passwd', 'more']) symlinkSync(join(outside, name), layer.at(`etc/${name}`))
    expect((await layer.damage()).filter(([path]) => path !== 'etc')).toEqual([
      ['etc/more', 'symlink in place of file'],
      ['etc/passwd', 'symlink in place of file'],
    ])
  })

  test('reading it leaves times of access alone', async () => {
    const layer = await applied(file('f', 'x'))
    using _place = layer.place
    const accessed = () => execFileSync('stat', ['-c', '%x', layer.at('f')]).toString()
    const before = accessed()
    await layer.check()
    expect(accessed()).toBe(before)
  })
})

describe.runIf(isRoot)('one that was applied on top of its parent', () => {
  test('may have things elsewhere, and marks of its own', async () => {
    const layer = await applied(directory('etc/'), file('etc/a', 'x'), file('usr/lib/b', 'x'), file('.wh.gone'))
    using _place = layer.place
    // lib was a link in the parent, and there was nothing to remove
    renameSync(layer.at('usr'), layer.at('elsewhere'))
    keepTime(layer.at('.'), () => unlinkSync(layer.at('gone')))
    lsetxattr(layer.at('etc'), 'trusted.overlay.opaque', Buffer.from('y'))
    expect((await layer.check({ implied: [] })).damaged).toEqual([])
    expect((await layer.check()).differing).toBeGreaterThan(0)
    flip(layer.at('etc/a'), 0)
    expect((await layer.check({ implied: [] })).damaged).toEqual([{ path: 'etc/a', why: 'other contents' }])
  })

  test('may have names for files of the parent', async () => {
    const place = ground()
    using _place = place
    const blob = gzipSync(archive(directory('./', { mtime: 5 }), link('etc/passwd', 'copy')))
    const path = join(place.base, 'layer')
    writeFileSync(path, blob)
    mkdirSync(join(place.root, 'etc'))
    writeFileSync(join(place.root, 'copy'), 'of the parent')
    utimesSync(place.root, 5, 5)
    const checking = { digest: digestOf(blob), size: blob.length, path: place.root, whiteouts: 'overlay' as const, implied: [] }
    const { signal } = new AbortController()
    expect((await check({ ...checking, growth: whole(path, blob.length) }, { signal })).damaged).toEqual([])
  })
})

test('a damaged blob says nothing of the directory', async () => {
  const layer = await applied(file('f', 'x'))
  using _place = layer.place
  flip(join(layer.place.base, 'layer'), 12)
  const blob = readFileSync(join(layer.place.base, 'layer'))
  expect(await failureOf(layer.check())).toMatchObject({ code: 'data_loss', details: { reason: 'blob' } })
  const tar = archive(file('f', 'y'))
  writeFileSync(join(layer.place.base, 'layer'), tar)
  const other = { growth: whole(join(layer.place.base, 'layer'), tar.length), size: tar.length }
  expect(await failureOf(layer.check(other))).toMatchObject({ code: 'data_loss', details: { reason: 'blob' } })
  expect(blob.length).toBeGreaterThan(0)
})

test('it gives up when told to', async () => {
  const layer = await applied(file('f', 'x'))
  using _place = layer.place
  await expect(layer.check({}, { signal: AbortSignal.abort(new Error('enough')) })).rejects.toThrow('enough')
  const controller = new AbortController()
  const large = await applied(file('f', Buffer.alloc(20_000_000, 'x')))
  using _large = large.place
  const onProgress = ({ written }: { written: number }) => written > 0 && controller.abort(new Error('enough'))
  await expect(large.check({}, { signal: controller.signal, onProgress })).rejects.toThrow('enough')
})

/** Change one byte, and nothing else: not even the time. */
function flip(path: string, offset: number): void {
  keepTime(path, () => {
    const bytes = readFileSync(path)
    bytes[offset] = (bytes[offset] as number) ^ 1
    writeFileSync(path, bytes)
  })
}

function keepTime(path: string, work: () => void): void {
  const { accessed, modified } = statx(-100, path)
  work()
  utimensat(-100, path, accessed, modified)
}

function unlinkLatin1(at: string, name: string): void {
  keepTime(at, () => unlinkSync(Buffer.concat([Buffer.from(`${at}/`), Buffer.from(name, 'latin1')])))
}
