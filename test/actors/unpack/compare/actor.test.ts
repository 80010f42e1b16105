import {
  chmodSync,
  existsSync,
  linkSync,
  mkdirSync,
  readdirSync,
  renameSync,
  rmSync,
  symlinkSync,
  unlinkSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import { gunzipSync, zstdDecompressSync } from 'node:zlib'
import { describe, expect, test } from 'vitest'
import { mountedUnder } from '../../../../runtime/mounts.ts'
import { digestOf } from '../../../support/content.ts'
import { fileTree, treeDifference } from '../../../support/file-tree.ts'
import { whyNoLoop } from '../../../support/loop.ts'
import { isRoot } from '../applying.ts'
import { readTar } from './reading.ts'
import { type Comparing, startComparing } from './snapshots.ts'

function before(at: string): void {
  mkdirSync(join(at, 'd/deep'), { recursive: true })
  for (const name of ['d/one', 'd/two', 'd/deep/three', 'gone', 'old']) writeFileSync(join(at, name), name)
  linkSync(join(at, 'd/one'), join(at, 'd/linked'))
  mkdirSync(join(at, 'replaced'))
  writeFileSync(join(at, 'replaced/hidden'), '')
}

function after(at: string): void {
  writeFileSync(join(at, 'd/one'), 'changed')
  unlinkSync(join(at, 'gone'))
  renameSync(join(at, 'old'), join(at, 'new'))
  rmSync(join(at, 'd/deep'), { recursive: true })
  rmSync(join(at, 'replaced'), { recursive: true })
  mkdirSync(join(at, 'replaced'), { mode: 0o700 })
  writeFileSync(join(at, 'replaced/shown'), 'x'.repeat(100_000))
  symlinkSync('new', join(at, 'link'))
  linkSync(join(at, 'new'), join(at, 'd/again'))
}

const seen = (node: Comparing, name: string): Promise<Map<string, string>> => node.look(name, (at) => fileTree(at, { skipTimes: true }))

async function leavesNothing(node: Comparing): Promise<void> {
  expect(await mountedUnder(node.store.home.root)).toEqual([])
  expect(existsSync(join(node.store.home.root, 'tmp')) ? readdirSync(join(node.store.home.root, 'tmp')) : []).toEqual([])
  expect((await node.lease.list({})).leases).toEqual([])
  expect((await node.store.ingest.list({})).ingests).toEqual([])
  const { snapshots } = await node.snapshot.list({})
  expect(snapshots.filter(({ key }) => key.startsWith('compare-'))).toEqual([])
}

const noBtrfs = isRoot ? await whyNoLoop('btrfs') : 'only root mounts'

describe.runIf(isRoot).each(['overlay', 'native', ...(noBtrfs === undefined ? ['btrfs'] : [])])('%s', (driver) => {
  test('what a snapshot changed, applied to its parent, makes it again', async () => {
    await using node = await startComparing(driver)
    await node.layer('a', undefined, before)
    await node.layer('b', 'a', after)
    const made = await node.compare({ upper: 'b' })
    await node.apply('again', 'a', made)
    expect(treeDifference(await seen(node, 'b'), await seen(node, 'again'))).toEqual([])
    await leavesNothing(node)
  })

  test('a snapshot nobody stands on is compared with nothing', async () => {
    await using node = await startComparing(driver)
    await node.layer('a', undefined, before)
    const made = await node.compare({ upper: 'a', compression: 'none' })
    await node.apply('again', undefined, made)
    expect(treeDifference(await seen(node, 'a'), await seen(node, 'again'))).toEqual([])
    await leavesNothing(node)
  })

  test('any two snapshots are compared, whatever they stand on', async () => {
    await using node = await startComparing(driver)
    await node.layer('a', undefined, before)
    await node.layer('b', 'a', after)
    await node.layer('c', 'b', (at) => writeFileSync(join(at, 'third'), ''))
    await node.layer('other', undefined, (at) => {
      mkdirSync(join(at, 'd'))
      writeFileSync(join(at, 'd/theirs'), '')
    })
    for (const [upper, lower] of [
      ['c', 'a'],
      ['c', 'other'],
      ['a', 'c'],
    ] as const) {
      const made = await node.compare({ upper, lower, compression: 'zstd' })
      await node.apply(`${upper}-${lower}`, lower, made)
      expect(treeDifference(await seen(node, upper), await seen(node, `${upper}-${lower}`))).toEqual([])
    }
    await leavesNothing(node)
  })

  test('a snapshot compared with itself, or not changed, is empty', async () => {
    await using node = await startComparing(driver)
    await node.layer('a', undefined, before)
    await node.layer('b', 'a', after)
    await node.prepare('c', 'b')
    expect(await node.compare({ upper: 'b', lower: 'b' })).toMatchObject({ entries: 0, size: 1024 })
    expect(await node.compare({ upper: 'c' })).toMatchObject({ entries: 0, size: 1024 })
  })

  test('an active snapshot is compared while it is mounted, and goes on', async () => {
    await using node = await startComparing(driver)
    await node.layer('a', undefined, before)
    const { mounts } = await node.snapshot.prepare({ key: 'mine', parent: 'a' })
    await node.at(mounts, async (at) => {
      after(at)
      const made = await node.compare({ upper: 'mine' })
      writeFileSync(join(at, 'later'), '')
      await node.apply('then', 'a', made)
      const other = await node.compare({ upper: 'mine', lower: 'then', compression: 'none' })
      expect(readTar(await node.bytes(other.descriptor.digest)).map(({ name }) => name)).toEqual(['later'])
    })
  })

  test('the same two give the same bytes, in every compression, and say what they are', async () => {
    await using node = await startComparing(driver)
    await node.layer('a', undefined, before)
    await node.layer('b', 'a', after)
    const plain = await node.compare({ upper: 'b', compression: 'none' })
    const tar = await node.bytes(plain.descriptor.digest)
    expect(plain).toEqual({
      descriptor: { mediaType: 'application/vnd.oci.image.layer.v1.tar', digest: digestOf(tar), size: tar.length },
      diffId: digestOf(tar),
      size: tar.length,
      entries: readTar(tar).length,
    })
    for (const [compression, inflate] of [
      ['gzip', gunzipSync],
      ['zstd', zstdDecompressSync],
    ] as const) {
      const made = await node.compare({ upper: 'b', compression, labels: { mine: 'yes' } })
      expect(await node.compare({ upper: 'b', compression })).toEqual(made)
      const bytes = await node.bytes(made.descriptor.digest)
      expect(inflate(bytes).equals(tar)).toBe(true)
      expect(made).toMatchObject({ diffId: plain.diffId, descriptor: { digest: digestOf(bytes), size: bytes.length } })
      expect(made.descriptor.mediaType).toBe(`application/vnd.oci.image.layer.v1.tar+${compression}`)
      const { labels } = await node.store.content.info({ digest: made.descriptor.digest })
      expect(labels).toMatchObject({ 'gantry.uncompressed': plain.diffId, mine: 'yes' })
    }
    const facts = node.store.told.filter(({ fact }) => fact === 'compared')
    expect(facts[0]).toMatchObject({ actor: 'unpack', entity: plain.descriptor.digest, data: { upper: 'b', size: tar.length } })
    await leavesNothing(node)
  })

  test('a time for reproducible builds is the latest that is told, and that of removals', async () => {
    await using node = await startComparing(driver)
    await node.layer('a', undefined, before)
    await node.layer('b', 'a', after)
    const { descriptor } = await node.compare({ upper: 'b', compression: 'none', epoch: '2001-09-09T01:46:40Z' })
    const told = readTar(await node.bytes(descriptor.digest))
    expect(new Set(told.map(({ mtime }) => mtime))).toEqual(new Set([1_000_000_000]))
  })

  test('what is made is held by the lease it is made under', async () => {
    await using node = await startComparing(driver)
    await node.layer('a', undefined, before)
    await node.lease.create({ id: 'mine' })
    const { descriptor } = await node.compare({ upper: 'a', lease: 'mine' })
    expect((await node.lease.get({ id: 'mine' })).things).toEqual([{ kind: 'content', key: descriptor.digest }])
  })

  test('fails for what is not there, and leaves nothing', async () => {
    await using node = await startComparing(driver)
    await node.layer('a', undefined, before)
    await expect(node.compare({ upper: 'b' })).rejects.toMatchObject({ code: 'not_found' })
    await expect(node.compare({ upper: 'a', lower: 'b' })).rejects.toMatchObject({ code: 'not_found' })
    await expect(node.compare({ upper: 'a', lease: 'none' })).rejects.toMatchObject({ code: 'not_found' })
    await expect(node.compare({ upper: 'a', driver: 'none' })).rejects.toMatchObject({ code: 'unimplemented' })
    await node.prepare('bad', 'a', (at) => writeFileSync(join(at, '.wh.x'), ''))
    await expect(node.compare({ upper: 'bad' })).rejects.toMatchObject({ code: 'failed_precondition' })
    await leavesNothing(node)
  })

  test('gives up when told to, and leaves nothing', async () => {
    await using node = await startComparing(driver)
    await node.layer('a', undefined, (at) => writeFileSync(join(at, 'large'), Buffer.alloc(64 * 2 ** 20)))
    const given = new AbortController()
    const items = node.unpack.compare({ upper: 'a' }, { signal: given.signal })
    await expect(async () => {
      for await (const item of items) {
        expect((await node.unpack.list({})).underway).toMatchObject([{ kind: 'compare', label: 'a', ...item }])
        given.abort(new Error('enough'))
      }
    }).rejects.toThrow()
    // one thread: it answers when it is done with that one
    await node.layer('small', undefined, (at) => chmodSync(at, 0o700))
    await node.compare({ upper: 'small' })
    expect((await node.unpack.list({})).underway).toEqual([])
    await leavesNothing(node)
  })
})

describe.runIf(isRoot)('overlay', () => {
  test('says what was replaced by hiding it', async () => {
    await using node = await startComparing('overlay')
    await node.layer('a', undefined, before)
    await node.layer('b', 'a', after)
    const { descriptor } = await node.compare({ upper: 'b', compression: 'none' })
    expect(readTar(await node.bytes(descriptor.digest)).map(({ name, type, target }) => [name, type, target])).toEqual([
      ['d/', '5', ''],
      ['d/again', '0', ''],
      ['d/.wh.deep', '0', ''],
      ['d/one', '0', ''],
      ['.wh.gone', '0', ''],
      ['link', '2', 'new'],
      ['new', '1', 'd/again'],
      ['.wh.old', '0', ''],
      ['replaced/', '5', ''],
      ['replaced/.wh..wh..opq', '0', ''],
      ['replaced/shown', '0', ''],
    ])
  })
})
