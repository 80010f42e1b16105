/** What others make of our layers. */
import { execFileSync, spawnSync } from 'node:child_process'
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { makeImage } from '../../../../ops/lab/images.ts'
import { fileTree, treeDifference } from '../../../support/file-tree.ts'
import { umociTree } from '../../../support/umoci.ts'
import { isRoot } from '../applying.ts'
import { madeOf, type Pair, pair } from './comparing.ts'
import { type Deed, doAll } from './doing.ts'

const long = 'n'.repeat(120)
const before: Deed[] = [
  { does: 'mkdir', path: 'bin', mode: 0o755 },
  { does: 'write', path: 'bin/su', size: 300_000, byte: 1, quietly: false },
  { does: 'chmod', path: 'bin/su', mode: 0o4755 },
  { does: 'attribute', path: 'bin/su', name: 'security.capability', value: 1 },
  { does: 'link', path: 'bin/su', to: 'bin/linked' },
  { does: 'link', path: 'bin/su', to: 'bin/also' },
  { does: 'mkdir', path: 'tmp', mode: 0o1777 },
  { does: 'write', path: 'tmp/caf\xe9', size: 3, byte: 2, quietly: false },
  { does: 'symlink', path: 'tmp/link', target: `/${long}/${long}` },
  { does: 'node', path: 'tmp/pipe', kind: 0o010000, minor: 0 },
  { does: 'node', path: 'tmp/device', kind: 0o060000, minor: 300 },
  { does: 'mkdir', path: long, mode: 0o755 },
  { does: 'mkdir', path: `${long}/${long}`, mode: 0o755 },
  { does: 'write', path: `${long}/${long}/${long}`, size: 1, byte: 0, quietly: false },
  { does: 'chown', path: `${long}/${long}`, uid: 3_000_000 },
  { does: 'touch', path: 'tmp/caf\xe9', time: 2 ** 33 },
  { does: 'mkdir', path: 'old', mode: 0o755 },
  { does: 'write', path: 'old/file', size: 0, byte: 0, quietly: false },
]
const after: Deed[] = [
  { does: 'write', path: 'bin/linked', size: 3, byte: 0, quietly: false },
  { does: 'remove', path: 'old' },
  { does: 'remove', path: 'bin/also' },
  { does: 'remove', path: 'tmp/link' },
  { does: 'mkdir', path: 'tmp/link', mode: 0o700 },
  { does: 'write', path: 'tmp/link/in', size: 600, byte: 0, quietly: false },
  { does: 'chmod', path: long, mode: 0o700 },
]

function made(): Pair {
  const two = pair()
  doAll(two.lower, before)
  execFileSync('cp', ['-a', `${two.lower}/.`, two.upper])
  doAll(two.upper, after)
  return two
}

/** Times as layers tell them; the root has what whoever unpacked made it with. */
const seconds = (tree: Map<string, string>): Map<string, string> =>
  new Map([...tree].filter(([path]) => path !== '.').map(([path, line]) => [path, line.replace(/time (\d+)\d{9}/, 'time $1')]))

const has = (program: string): boolean => spawnSync('which', [program]).status === 0

describe.runIf(isRoot)('others see what we saw', () => {
  test('GNU tar, of a whole tree', async () => {
    using two = made()
    const { bytes } = await madeOf({ upper: two.lower })
    const judged = join(two.base, 'judged')
    mkdirSync(judged)
    const options = [
      '--xattrs',
      '--xattrs-include=*',
      '--numeric-owner',
      '--delay-directory-restore',
      '--warning=no-timestamp',
      '-xpf',
      '-',
    ]
    const { stderr } = spawnSync('tar', [...options, '-C', judged], { input: bytes, encoding: 'utf8' })
    expect(stderr).toBe('')
    expect(treeDifference(seconds(fileTree(two.lower)), seconds(fileTree(judged)))).toEqual([])
  })

  test.runIf(has('umoci'))('umoci, of one tree and what became of it', async () => {
    using two = made()
    const layers = [await madeOf({ upper: two.lower }), await two.diff()]
    const tree = await umociTree(await makeImage({ layers: layers.map(({ bytes }) => ({ tar: bytes })) }))
    expect(treeDifference(seconds(fileTree(two.upper)), seconds(tree))).toEqual([])
  })

  test.runIf(has('zstd'))('gzip and zstd, of what is packed', async () => {
    using two = made()
    const plain = await two.diff()
    for (const compression of ['gzip', 'zstd'] as const) {
      const packed = await two.diff({ compression })
      expect(execFileSync(compression, ['-dc'], { input: packed.bytes }).equals(plain.bytes)).toBe(true)
      expect(packed).toMatchObject({ diffId: plain.diffId, size: plain.size, entries: plain.entries })
    }
    const { bytes } = await two.diff({ compression: 'gzip' })
    // no time, no name, no system
    expect([...bytes.subarray(0, 10)]).toEqual([0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 255])
    writeFileSync(join(two.base, 'layer'), bytes)
    expect(execFileSync('gzip', ['-t', join(two.base, 'layer')]).length).toBe(0)
  })
})
