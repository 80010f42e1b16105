import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { gzipSync } from 'node:zlib'
import { describe, expect, test } from 'vitest'
import { startUnpack } from '../../../actors/unpack/actor.ts'
import { startUnpackWorker } from '../../../actors/unpack/worker.ts'
import type { Client } from '../../../messages/grammar/index.ts'
import type { Applied, unpack } from '../../../messages/unpack.ts'
import { client } from '../../../runtime/bus/client.ts'
import { openEnvelope } from '../../../runtime/bus/envelope.ts'
import { digestOf, type Store, startStore } from '../../support/content.ts'
import { archive, directory, file } from '../../support/layers.ts'
import { listing } from '../../support/listing.ts'
import { isRoot } from './applying.ts'

const tar = archive(directory('a'), file('a/b', 'x'.repeat(3_000_000)), file('implied/c', 'y'))
const blob = gzipSync(tar)
const digest = digestOf(blob)
const descriptor = { mediaType: 'application/vnd.oci.image.layer.v1.tar+gzip', digest, size: blob.length }

interface Unpacking extends AsyncDisposable {
  readonly store: Store
  readonly unpack: Client<typeof unpack>
  /** a directory to apply to, and the target that says so */
  readonly path: string
  readonly target: { kind: 'directory'; path: string; whiteouts: 'remove' | 'overlay' }
}

async function startUnpacking(): Promise<Unpacking> {
  await using stack = new AsyncDisposableStack()
  const store = stack.use(await startStore())
  const workers = ['unpack-0', 'unpack-1']
  for (const actor of workers) stack.use(await startUnpackWorker(store.home, { actor }))
  stack.use(await startUnpack(store.home, { workers }))
  const path = join(store.home.root, 'target')
  mkdirSync(path)
  const scope = stack.move()
  return {
    store,
    unpack: client<typeof unpack>(store.home.bus, { node: 'n1', actor: 'unpack' }),
    path,
    target: { kind: 'directory', path, whiteouts: 'remove' },
    [Symbol.asyncDispose]: () => scope.disposeAsync(),
  }
}

async function lastOf<T>(items: AsyncIterable<T>): Promise<T | undefined> {
  let last: T | undefined
  for await (const item of items) last = item
  return last
}

const outcome: Applied = {
  diffId: digestOf(tar),
  size: tar.length,
  offset: blob.length,
  written: 3_000_001,
  entries: 3,
  implied: [],
  notKept: [],
}

describe('apply', () => {
  test('ends with what a layer came to, and tells it once', async () => {
    await using node = await startUnpacking()
    await node.store.ingest.put({ digest, bytes: blob })
    const last = await lastOf(node.unpack.apply({ descriptor, target: node.target, expected: outcome.diffId }))
    expect(last).toEqual(outcome)
    expect(Object.keys(listing(node.path))).toEqual(['a', 'a/b', 'implied', 'implied/c'])
    const facts = node.store.told.filter(({ actor }) => actor === 'unpack')
    expect(facts).toMatchObject([
      { fact: 'applied', entity: digest, data: { digest, diffId: outcome.diffId, entries: 3, size: tar.length } },
    ])
  })

  test.runIf(isRoot)('tells an upper directory which directories it implied', async () => {
    await using node = await startUnpacking()
    await node.store.ingest.put({ digest, bytes: blob })
    const last = await lastOf(node.unpack.apply({ descriptor, target: { ...node.target, whiteouts: 'overlay' } }))
    expect(last).toEqual({ ...outcome, implied: ['.', 'implied'] })
  })

  test('begins before its blob is whole, and ends when it is content', async () => {
    await using node = await startUnpacking()
    const { token } = await node.store.ingest.open({ reference: digest, expected: digest, total: blob.length })
    const applied = lastOf(node.unpack.apply({ descriptor, target: node.target }))
    const half = Math.floor(blob.length / 2)
    await node.store.ingest.write({ token, offset: 0, bytes: blob.subarray(0, half) })
    await node.store.ingest.write({ token, offset: half, bytes: blob.subarray(half) })
    await node.store.ingest.commit({ token, size: blob.length, digest })
    expect(await applied).toEqual(outcome)
  })

  test('several layers are applied at once, each in its own place', async () => {
    await using node = await startUnpacking()
    await node.store.ingest.put({ digest, bytes: blob })
    const paths = ['one', 'two', 'three'].map((name) => join(node.store.home.root, name))
    for (const path of paths) mkdirSync(path)
    const all = await Promise.all(paths.map((path) => lastOf(node.unpack.apply({ descriptor, target: { ...node.target, path } }))))
    expect(all).toEqual([outcome, outcome, outcome])
    for (const path of paths) expect(readFileSync(join(path, 'implied/c'), 'utf8')).toBe('y')
  })

  test('progress is told to who listens', async () => {
    await using node = await startUnpacking()
    const told: unknown[] = []
    await using interest = node.store.home.bus.subscribe(
      'gantry.event.n1.unpack.progressed',
      (delivery) => void told.push(openEnvelope(delivery).data),
    )
    await interest.ready
    const { token } = await node.store.ingest.open({ reference: digest })
    const half = Math.floor(blob.length / 2)
    await node.store.ingest.write({ token, offset: 0, bytes: blob.subarray(0, half) })
    const seen: unknown[] = []
    for await (const item of node.unpack.apply({ descriptor, target: node.target })) {
      seen.push(item)
      if (seen.length === 1 && !('diffId' in item)) {
        await node.store.ingest.write({ token, offset: half, bytes: blob.subarray(half) })
        await node.store.ingest.commit({ token })
      }
    }
    expect(seen.length).toBeGreaterThanOrEqual(2)
    expect(told).toEqual(seen.slice(0, -1).map((item) => ({ digest, ...(item as object) })))
  })
})

describe('failure', () => {
  test('a blob nobody has or brings is not_found', async () => {
    await using node = await startUnpacking()
    await expect(lastOf(node.unpack.apply({ descriptor, target: node.target }))).rejects.toMatchObject({ code: 'not_found' })
  })

  test('another diffId than expected is data_loss', async () => {
    await using node = await startUnpacking()
    await node.store.ingest.put({ digest, bytes: blob })
    const applied = lastOf(node.unpack.apply({ descriptor, target: node.target, expected: digestOf('other') }))
    await expect(applied).rejects.toMatchObject({ code: 'data_loss', message: expect.stringContaining('it unpacks to') })
  })

  test('a target that is not there is not_found', async () => {
    await using node = await startUnpacking()
    await node.store.ingest.put({ digest, bytes: blob })
    const applied = lastOf(node.unpack.apply({ descriptor, target: { ...node.target, path: '/no/such/place' } }))
    await expect(applied).rejects.toMatchObject({ code: 'not_found' })
  })

  test('a blob that is thrown away while it is applied ends it', async () => {
    await using node = await startUnpacking()
    const { token } = await node.store.ingest.open({ reference: digest })
    await node.store.ingest.write({ token, offset: 0, bytes: blob.subarray(0, 1000) })
    const applied = node.unpack.apply({ descriptor, target: node.target })[Symbol.asyncIterator]()
    await applied.next()
    await node.store.ingest.abort({ reference: digest, token })
    await expect(async () => {
      while (!(await applied.next()).done);
    }).rejects.toMatchObject({ code: 'data_loss' })
  })

  test('gives up when told to, and leaves nothing open', async () => {
    await using node = await startUnpacking()
    const { token } = await node.store.ingest.open({ reference: digest })
    await node.store.ingest.write({ token, offset: 0, bytes: blob.subarray(0, 1000) })
    const before = readdirSync('/proc/self/fd').length
    const given = new AbortController()
    const applied = lastOf(node.unpack.apply({ descriptor, target: node.target }, { signal: given.signal }))
    setImmediate(() => given.abort())
    await expect(applied).rejects.toThrow()
    // the worker answers another only when it is done with the one before
    await node.store.ingest.write({ token, offset: 1000, bytes: blob.subarray(1000) })
    await node.store.ingest.commit({ token })
    expect(await lastOf(node.unpack.apply({ descriptor, target: node.target }))).toMatchObject({ diffId: outcome.diffId })
    expect(readdirSync('/proc/self/fd').length).toBeLessThanOrEqual(before)
  })
})

describe.runIf(isRoot)('mounts', () => {
  const mountsOf = (root: string): string[] =>
    readFileSync('/proc/self/mounts', 'utf8')
      .split('\n')
      .filter((line) => line.includes(root))

  test('are mounted for as long as it takes, deletions in them carried out', async () => {
    await using node = await startUnpacking()
    const { root } = node.store.home
    for (const name of ['lower', 'upper', 'work']) mkdirSync(join(root, name))
    const layers = [archive(directory('d'), file('d/old', ''), file('keep', '')), archive(file('d/.wh.old'), file('d/new', ''))]
    const options = [`lowerdir=${join(root, 'lower')}`, `upperdir=${join(root, 'upper')}`, `workdir=${join(root, 'work')}`]
    const mounts = [
      [{ type: 'bind', source: join(root, 'lower'), options: ['rbind', 'rw'] }],
      [{ type: 'overlay', source: 'overlay', options }],
    ]
    for (const [index, bytes] of layers.entries()) {
      const layer = { ...descriptor, digest: digestOf(bytes), size: bytes.length }
      await node.store.ingest.put({ digest: layer.digest, bytes })
      await lastOf(node.unpack.apply({ descriptor: layer, target: { kind: 'mount', mounts: mounts[index] ?? [] } }))
    }
    expect(Object.keys(listing(join(root, 'lower')))).toEqual(['d', 'd/old', 'keep'])
    expect(listing(join(root, 'upper'))).toMatchObject({ 'd/old': { device: '0:0' }, 'd/new': { kind: 'file' } })
    expect(mountsOf(root)).toEqual([])
    expect(readdirSync(join(root, 'tmp'))).toEqual([])
  })

  test('that cannot be mounted are refused, and nothing is left', async () => {
    await using node = await startUnpacking()
    const { root } = node.store.home
    await node.store.ingest.put({ digest, bytes: blob })
    const mounts = [{ type: 'overlay', source: 'overlay', options: ['lowerdir=/no/such/layer'] }]
    const applied = lastOf(node.unpack.apply({ descriptor, target: { kind: 'mount', mounts } }))
    await expect(applied).rejects.toMatchObject({ message: expect.stringContaining('mount overlay') })
    const none = lastOf(node.unpack.apply({ descriptor, target: { kind: 'mount', mounts: [] } }))
    await expect(none).rejects.toMatchObject({ code: 'invalid_argument', message: expect.stringContaining('there are none') })
    expect(mountsOf(root)).toEqual([])
    expect(readdirSync(join(root, 'tmp'))).toEqual([])
  })
})

describe('check', () => {
  test.runIf(isRoot)('ends with what a directory came to beside its layer', async () => {
    await using node = await startUnpacking()
    await node.store.ingest.put({ digest, bytes: blob })
    const target = { ...node.target, whiteouts: 'overlay' } as const
    const applied = (await lastOf(node.unpack.apply({ descriptor, target }))) as Applied
    const { implied } = applied
    expect(await lastOf(node.unpack.check({ descriptor, target, implied }))).toEqual({ entries: 3, differing: 0, damaged: [] })
    writeFileSync(join(node.path, 'implied/c'), 'z')
    expect(await lastOf(node.unpack.check({ descriptor, target, implied }))).toMatchObject({
      differing: 1,
      damaged: [{ path: 'implied/c', why: expect.stringContaining('changed at') }],
    })
    expect(node.store.told.filter(({ actor }) => actor === 'unpack')).toHaveLength(1)
  })

  test('fails without the blob, and for mounts, which show other layers as well', async () => {
    await using node = await startUnpacking()
    await expect(lastOf(node.unpack.check({ descriptor, target: node.target }))).rejects.toMatchObject({
      code: 'not_found',
      details: { reason: 'blob' },
    })
    const mounts = { kind: 'mount' as const, mounts: [] }
    await expect(lastOf(node.unpack.check({ descriptor, target: mounts }))).rejects.toMatchObject({ code: 'unimplemented' })
  })

  test('gives up when told to', async () => {
    await using node = await startUnpacking()
    await node.store.ingest.put({ digest, bytes: blob })
    const signal = AbortSignal.abort(new Error('enough'))
    await expect(lastOf(node.unpack.check({ descriptor, target: node.target }, { signal }))).rejects.toThrow()
  })
})
