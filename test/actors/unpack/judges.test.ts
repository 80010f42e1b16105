import { execFileSync, spawnSync } from 'node:child_process'
import { copyFileSync, existsSync, mkdirSync, rmSync, writeFileSync } from 'node:fs'
import { basename, join } from 'node:path'
import { gunzipSync } from 'node:zlib'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { Failure } from '../../../messages/grammar/index.ts'
import { makeImage, makeLayer, writeLayout } from '../../../ops/lab/images.ts'
import { mountAll } from '../../../runtime/mounts.ts'
import * as tar from '../../support/layers.ts'
import { type Listed, listing } from '../../support/listing.ts'
import { ground, isRoot } from './applying.ts'

const { archive, directory, file, link, symlink } = tar
const capability = Buffer.from('0100000200200000000000000000000000000000', 'hex')
const has = (program: string): boolean => spawnSync('which', [program]).status === 0

/** Three layers with everything an image may hold, every directory described. */
const layers = [
  archive(
    directory('bin', { mtime: 1 }),
    file('bin/sh', 'x'.repeat(200_000), { mode: 0o755, mtime: 2 }),
    link('bin/sh', 'bin/ash'),
    file('bin/su', 'su', { mode: 0o4755, uid: 0, gid: 42 }),
    file('bin/ping', 'ping', { mode: 0o755, pax: { 'SCHILY.xattr.security.capability': capability } }),
    symlink('bin', 'sbin', { mtime: 3 }),
    symlink('/no/where', 'dead'),
    directory('tmp', { mode: 0o1777 }),
    directory('var', { mode: 0o2775, gid: 50 }),
    file('var/inherits', ''),
    directory('var/cache'),
    file('var/cache/one', '1'),
    file('var/cache/two', '2', { pax: { mtime: '1700000000.123456789' } }),
    file('', 'long', { pax: { path: `var/${'n'.repeat(200)}`, uid: '2000000000' } }),
    directory('old'),
    directory('old/deep'),
    file('old/deep/file', ''),
    tar.character('null', 1, 3, { mode: 0o666 }),
    tar.fifo('pipe', { mode: 0o600, uid: 7 }),
    file('caf\xe9', 'latin1'),
    file('attributes', '', { pax: { 'SCHILY.xattr.user.any': Buffer.from([0, 255, 10]) } }),
  ),
  archive(
    directory('bin', { mtime: 9, mode: 0o700 }),
    file('bin/.wh.su'),
    file('.wh.old'),
    directory('var', { mode: 0o755 }),
    directory('var/cache', { mtime: 8 }),
    file('var/cache/.wh..wh..opq'),
    file('var/cache/three', '3'),
    file('dead', 'now a file'),
  ),
  archive(directory('old', { mode: 0o711 }), file('old/again', ''), symlink('bin', 'null'), directory('sbin'), file('sbin/own', '')),
]

describe.runIf(isRoot && has('umoci'))('umoci and we make the same of an image', () => {
  const expected = async (base: string): Promise<Record<string, Listed>> => {
    const image = await makeImage({ layers: await Promise.all(layers.map((bytes) => makeLayer({ tar: bytes }))) })
    const layout = join(base, 'layout')
    mkdirSync(layout)
    await writeLayout(layout, 'latest', image)
    execFileSync('umoci', ['raw', 'unpack', '--image', `${layout}:latest`, join(base, 'umoci')], { stdio: 'pipe' })
    return listing(join(base, 'umoci'))
  }

  test('layer upon layer, deletions carried out', async () => {
    using at = ground()
    for (const bytes of layers) await at.apply(bytes)
    expect(listing(at.root)).toEqual(await expected(at.base))
  })

  test('each layer by itself, seen through overlayfs', async () => {
    using at = ground()
    const uppers = layers.map((_, index) => join(at.base, `upper-${index}`))
    for (const [index, path] of uppers.entries()) {
      mkdirSync(path)
      const { implied } = await at.apply(layers[index] as Buffer, { path, whiteouts: 'overlay' })
      expect(implied).toEqual(['.'])
    }
    const options = [`lowerdir=${uppers.toReversed().join(':')}`]
    await using _ = await mountAll([{ type: 'overlay', source: 'overlay', options }], at.root)
    expect(listing(at.root)).toEqual(await expected(at.base))
  })
})

describe.runIf(isRoot)('GNU tar and we', () => {
  const told = ['--xattrs', '--xattrs-include=*', '--numeric-owner', '-xpf']

  test('make the same of an archive', async () => {
    using at = ground()
    const [bytes] = layers as [Buffer]
    await at.apply(bytes)
    const judged = join(at.base, 'judged')
    mkdirSync(judged)
    writeFileSync(join(at.base, 'archive'), bytes)
    execFileSync('tar', [...told, join(at.base, 'archive'), '-C', judged])
    expect(listing(at.root)).toEqual(listing(judged))
  })

  test('make the same of an archive tar made, in each of its formats', async () => {
    using at = ground()
    await at.apply(layers[0] as Buffer, { path: mkdir(at.base, 'first') })
    for (const format of ['gnu', 'pax']) {
      const path = join(at.base, `${format}.tar.gz`)
      execFileSync('tar', [
        '-cz',
        `--format=${format}`,
        ...(format === 'pax' ? ['--xattrs', '--xattrs-include=*'] : []),
        '-f',
        path,
        '-C',
        join(at.base, 'first'),
        '.',
      ])
      const [judged, ours] = [mkdir(at.base, `judged-${format}`), mkdir(at.base, `ours-${format}`)]
      execFileSync('tar', ['-z', ...told, path, '-C', judged])
      await at.apply(gunzipSync(execFileSync('cat', [path])), { path: ours })
      expect(listing(ours)).toEqual(listing(judged))
    }
  })
})

const part = fc.constantFrom('a', 'b', 'c')
const name = fc.array(part, { minLength: 1, maxLength: 3 }).map((parts) => parts.join('/'))
const target = fc.oneof(
  name,
  name.map((path) => `/${path}`),
  name.map((path) => `../${path}`),
  fc.constantFrom('.', '..', '/', '../../..'),
)
const mode = fc.constantFrom(0o644, 0o755, 0o4711, 0o700)
const piece = (anyName: fc.Arbitrary<string>): fc.Arbitrary<Buffer> =>
  fc.oneof(
    fc.record({ anyName, mode }).map((of) => file(of.anyName, of.anyName, { mode: of.mode })),
    fc.record({ anyName, mode }).map((of) => directory(of.anyName, { mode: of.mode })),
    fc.record({ target, anyName }).map((of) => symlink(of.target, of.anyName)),
    fc.record({ name, anyName }).map((of) => link(of.name, of.anyName)),
  )

const hostile = fc.oneof(
  name,
  target,
  name.map((path) => `${path}/../../${path}`),
  fc.tuple(name, part).map(([path, last]) => `${path}/.wh.${last}`),
  name.map((path) => `${path}/.wh..wh..opq`),
)

describe('archives nobody thought of', () => {
  test.each(['remove', 'overlay'] as const)('never get out, and end well or as a failure of the archive: %s', async (whiteouts) => {
    const pieces = fc.array(piece(hostile), { maxLength: 12 })
    await fc.assert(
      fc.asyncProperty(pieces, pieces, async (before, layer) => {
        using at = ground()
        for (const path of ['a', 'b', 'c']) writeFileSync(join(at.base, path), 'outside', { mode: 0o600 })
        const outside = (): unknown => Object.entries(listing(at.base)).filter(([path]) => /^[abc]$/.test(path))
        const untouched = outside()
        for (const bytes of whiteouts === 'remove' ? [before, layer] : [layer]) {
          const failure = await at.apply(archive(...bytes), { whiteouts }).then(
            () => undefined,
            (error: unknown) => error,
          )
          if (failure === undefined) continue
          expect(failure).toBeInstanceOf(Failure)
          expect(['data_loss', 'failed_precondition']).toContain((failure as Failure).code)
        }
        expect(outside()).toEqual(untouched)
      }),
      { numRuns: 150 },
    )
  })

  test.runIf(isRoot)('are to us what they are to GNU tar shut up in their root', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(piece(name), { maxLength: 8 }), async (pieces) => {
        using at = ground()
        const judged = shutUp(at.base)
        const judge = spawnSync('chroot', [judged, ...judgeTar, '-xPpf', '-', '-C', '/'], { input: archive(...pieces) })
        rmSync(join(judged, judgeDirectory), { recursive: true })
        const ours = await at.apply(archive(...pieces)).catch((error: unknown) => error)
        // where one refuses, there is nothing to compare; tar refuses more: it removes no directory that has something in it
        if (judge.status !== 0 || ours instanceof Failure) return
        expect(comparable(at.root)).toEqual(comparable(judged))
      }),
      { numRuns: 100 },
    )
  })
})

const judgeDirectory = '.judge'
const judgeTar = [`/${judgeDirectory}/loader`, '--library-path', `/${judgeDirectory}`, `/${judgeDirectory}/tar`]

/** A root with nothing but tar in it. */
function shutUp(base: string): string {
  const root = mkdir(base, 'judged')
  const tools = mkdir(root, judgeDirectory)
  const program = ['/usr/bin/tar', '/bin/tar'].find(existsSync) ?? 'tar'
  copyFileSync(program, join(tools, 'tar'))
  for (const [path] of execFileSync('ldd', [program], { encoding: 'utf8' }).matchAll(/\/\S+/g))
    copyFileSync(path, join(tools, basename(path).startsWith('ld-') ? 'loader' : basename(path)))
  return root
}

/** Directories nobody described have the time they were made. */
const comparable = (root: string): unknown =>
  Object.entries(listing(root)).map(([path, { mtime, ...rest }]) => [path, rest, rest.kind === 'directory' ? undefined : mtime])

function mkdir(base: string, name: string): string {
  const path = join(base, name)
  mkdirSync(path)
  return path
}
