import { chmod, mkdtemp, readFile, rm, stat, unlink, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { content } from '../../messages/content.ts'
import type { Protocol } from '../../messages/grammar/index.ts'
import type { ingest } from '../../messages/ingest.ts'
import type { Finding, scrub } from '../../messages/scrub.ts'
import type { snapshot } from '../../messages/snapshot.ts'
import { chainIds } from '../../messages/words/index.ts'
import { type Image, makeImage, pushImage } from '../../ops/lab/images.ts'
import { type Registry, startRegistry } from '../../ops/lab/registry.ts'
import type { Bus } from '../../runtime/bus/bus.ts'
import { client } from '../../runtime/bus/client.ts'
import { mountAll } from '../../runtime/mounts.ts'
import { lsetxattr } from '../../runtime/syscalls/index.ts'
import { treeDifference } from '../support/file-tree.ts'
import { archive, directory, file, link, symlink } from '../support/layers.ts'
import { type RunningNode, startNode } from '../support/node.ts'
import { layerOf, richImage } from '../support/rich-image.ts'
import { snapshotTree } from '../support/snapshot-tree.ts'
import { umociTree } from '../support/umoci.ts'

const scope = new AsyncDisposableStack()
let registry: Registry
let node: RunningNode
let bus: Bus

beforeAll(async () => {
  registry = scope.use(await startRegistry())
  node = scope.use(await startNode())
  bus = scope.use(await node.connect())
})
afterAll(() => scope.disposeAsync())

const ask = <P extends Protocol>(actor: string) => client<P>(bus, { node: node.name, actor })
const run = async (request: Parameters<ReturnType<typeof ask<typeof scrub>>['run']>[0] = {}): Promise<Finding[]> =>
  await Array.fromAsync(ask<typeof scrub>('scrub').run(request))
/** What is not as it should be; of native snapshots nothing can be said. */
const unsound = (findings: readonly Finding[]) => findings.filter(({ key, state }) => state !== 'sound' && !key.startsWith('native/'))

const pull = async (reference: string, ...more: string[]) => {
  const { exitCode, stderr } = await node.run('dist', ['pull', reference, ...more])
  expect({ exitCode, stderr }).toEqual({ exitCode: 0, stderr: '' })
}

const blobFile = (digest: string) => join(node.root, 'content/blobs', ...digest.split(':'))
const nameOf = (image: Image, layer: number) => chainIds(image.layers.map(({ diffId }) => diffId))[layer] ?? ''
async function layerDirectory(image: Image, layer: number): Promise<string> {
  const { target } = await ask<typeof snapshot>('snapshot').layer({ key: nameOf(image, layer), driver: 'overlay' })
  return target.kind === 'directory' ? target.path : ''
}

/** Change one byte, and nothing else. */
async function flip(path: string, offset: number): Promise<void> {
  const [bytes, { mode }] = [await readFile(path), await stat(path)]
  bytes[offset] = (bytes[offset] as number) ^ 1
  await chmod(path, 0o600)
  await writeFile(path, bytes)
  await chmod(path, mode)
}

const image = (...names: string[]) =>
  makeImage({
    layers: [
      layerOf(archive(directory('etc/'), ...names.map((name) => file(`etc/${name}`, `${name}\n`.repeat(1000), { mode: 0o640, uid: 3 })))),
      layerOf(archive(file('etc/more', 'more'), file('opt/app/run', 'app', { mode: 0o755 }))),
    ],
  })

test('everything is sound after a pull, whatever the layers do, and nothing is told', async () => {
  const { image: rich } = await richImage()
  await pull(await pushImage(registry, 'rich:latest', rich), '--driver', 'overlay')
  const findings = await run()
  expect(unsound(findings)).toEqual([])
  expect(new Set(findings.map(({ kind }) => kind))).toEqual(new Set(['content', 'snapshot']))
  expect(findings.filter(({ kind }) => kind === 'snapshot')).toHaveLength(rich.layers.length)
})

test('snapshots of a driver that keeps no layers apart are unknown', async () => {
  const made = await image('native')
  await pull(await pushImage(registry, 'native:latest', made), '--driver', 'native')
  const key = `native/${nameOf(made, 0)}`
  expect(await run({ keys: [key], repair: true })).toMatchObject([
    { kind: 'snapshot', key, state: 'unknown', why: expect.stringContaining('native') },
  ])
})

describe('a damaged blob', () => {
  test('is named, and stays as it is unless it is to be repaired', async () => {
    const made = await image('blob')
    const digest = made.layers[0]?.descriptor.digest ?? ''
    await pull(await pushImage(registry, 'blob:latest', made))
    const { labels } = await ask<typeof content>('content').info({ digest })
    await flip(blobFile(digest), 20)
    const damaged = await readFile(blobFile(digest))
    const found = unsound(await run({ kinds: ['content'] }))
    expect(found).toMatchObject([{ kind: 'content', key: digest, state: 'damaged', why: expect.stringContaining(digest) }])
    expect(await readFile(blobFile(digest))).toEqual(damaged)

    expect(unsound(await run({ repair: true }))).toMatchObject([{ kind: 'content', key: digest, state: 'repaired' }])
    expect(await readFile(blobFile(digest))).toEqual(Buffer.from(made.layers[0]?.bytes ?? []))
    expect((await stat(blobFile(digest))).mode & 0o777).toBe(0o444)
    expect((await ask<typeof content>('content').info({ digest })).labels).toEqual(labels)
    expect(unsound(await run())).toEqual([])
    const told = async () => {
      const { stdout } = await node.run('gantry', ['events', '--since', '1h', '--no-follow', '--json', '--actor', 'scrub'])
      return stdout.split('\n').filter((line) => line.includes(digest))
    }
    // facts leave the node a moment after
    await expect.poll(told, { timeout: 10_000 }).toHaveLength(3)
    expect((await told()).map((line) => /scrub\.(\w+)/.exec(line)?.[1])).toEqual(['damaged', 'damaged', 'repaired'])
  })

  test('is repaired when its file is gone, and so are a manifest and a config', async () => {
    const made = await image('gone')
    await pull(await pushImage(registry, 'gone:latest', made))
    const digests = [made.layers[1], made.manifest, made.config].map((blob) => blob?.descriptor.digest ?? '')
    for (const digest of digests) await unlink(blobFile(digest))
    const found = unsound(await run({ repair: true, keys: digests }))
    expect(found.map(({ key, state }) => [key, state]).toSorted()).toEqual(digests.map((digest) => [digest, 'repaired']).toSorted())
    expect(unsound(await run())).toEqual([])
  })

  test('stays damaged when its source has it no more, and others are repaired all the same', async () => {
    const [lost, kept] = [await image('lost'), await image('kept')]
    await pull(await pushImage(registry, 'kept:latest', kept))
    const digests = [lost, kept].map(({ layers: [layer] }) => layer?.descriptor.digest ?? '')
    {
      await using short = await startRegistry()
      await pull(await pushImage(short, 'lost:latest', lost))
    }
    for (const digest of digests) await flip(blobFile(digest), 30)
    const found = unsound(await run({ repair: true, kinds: ['content'] }))
    const [first, second] = digests.map((digest) => found.find(({ key }) => key === digest))
    expect(first).toMatchObject({ state: 'damaged', why: expect.stringMatching(/it stays so: .*ECONNREFUSED|refused/) })
    expect(second).toMatchObject({ state: 'repaired' })
    expect(await ask<typeof content>('content').info({ digest: digests[0] ?? '' })).toMatchObject({ digest: digests[0] })
    await node.run('dist', ['delete', digests[0] ?? ''])
  })

  test('of which nobody knows where it is from stays damaged', async () => {
    const { stdout } = await node.run('dist', ['ingest', 'key'], { input: 'from nowhere' })
    expect(stdout).toBeDefined()
    const { blobs } = await ask<typeof content>('content').list({ filters: ['size==12'] })
    const digest = blobs[0]?.digest ?? ''
    await flip(blobFile(digest), 0)
    expect(await run({ repair: true, keys: [digest] })).toMatchObject([
      { state: 'damaged', why: expect.stringContaining('where it is from') },
    ])
    await node.run('dist', ['delete', digest])
  })
})

describe('a damaged snapshot', () => {
  test('is named with what differs, and made anew from its layer, under what stands on it', async () => {
    const made = await image('passwd', 'group', 'hosts', 'shadow')
    await pull(await pushImage(registry, 'damaged:latest', made), '--driver', 'overlay')
    const expected = await snapshotTree(node, made, { driver: 'overlay' })
    const key = `overlay/${nameOf(made, 0)}`
    const snapshots = ask<typeof snapshot>('snapshot')
    const { mounts } = await snapshots.prepare({ key: 'stands-on-it', parent: nameOf(made, 1), driver: 'overlay' })
    const at = await layerDirectory(made, 0)
    await flip(join(at, 'etc/passwd'), 7)
    await chmod(join(at, 'etc/group'), 0o777)
    await rm(join(at, 'etc/hosts'))
    await writeFile(join(at, 'etc/planted'), 'x')
    lsetxattr(join(at, 'etc/shadow'), 'user.planted', Buffer.from('x'))

    const [found] = await run({ keys: [key] })
    expect(found).toMatchObject({
      kind: 'snapshot',
      key,
      state: 'damaged',
      why: expect.stringMatching(/^6 of 5 entries differ: etc: changed at .*; …$/),
    })
    expect(await run({ keys: [key] })).toEqual([found])

    await mountedAt(mounts, async (before) => {
      expect(await run({ keys: [key], repair: true })).toMatchObject([{ key, state: 'repaired' }])
      // who had it mounted goes on seeing what it saw
      expect(await readFile(join(before, 'etc/planted'), 'utf8')).toBe('x')
    })
    expect(unsound(await run({ kinds: ['snapshot'], keys: [key, `overlay/${nameOf(made, 1)}`] }))).toEqual([])
    expect(treeDifference(expected, await snapshotTree(node, made, { driver: 'overlay' }))).toEqual([])
    const after = await snapshots.mounts({ key: 'stands-on-it', driver: 'overlay' })
    await mountedAt(after.mounts, async (now) => {
      expect(await readFile(join(now, 'etc/passwd'), 'utf8')).toBe('passwd\n'.repeat(1000))
      await expect(stat(join(now, 'etc/planted'))).rejects.toThrow('ENOENT')
    })
    await snapshots.remove({ key: 'stands-on-it', driver: 'overlay' })
    expect((await snapshots.list({ driver: 'overlay', filters: ['kind!=committed'] })).snapshots).toEqual([])
    expect((await node.run('ctr', ['leases', 'ls', '-q'])).stdout).not.toContain('scrub')
  })

  test('is made anew when its directories are gone', async () => {
    const made = await image('vanished')
    await pull(await pushImage(registry, 'vanished:latest', made), '--driver', 'overlay')
    const expected = await snapshotTree(node, made, { driver: 'overlay' })
    await rm(await layerDirectory(made, 0), { recursive: true })
    const key = `overlay/${nameOf(made, 0)}`
    expect(await run({ keys: [key], repair: true })).toMatchObject([
      { key, state: 'repaired', why: '1 of 2 entries differ: .: it is missing' },
    ])
    expect(treeDifference(expected, await snapshotTree(node, made, { driver: 'overlay' }))).toEqual([])
  })

  test('that was made on top of its parent is made anew there', async () => {
    const made = await makeImage({
      layers: [
        layerOf(archive(directory('usr/'), directory('usr/lib/'), symlink('usr/lib', 'lib'), file('usr/lib/base', 'base'))),
        layerOf(archive(file('lib/through', 'through a link of the parent'), link('usr/lib/base', 'copy'), file('plain', 'plain'))),
      ],
    })
    await pull(await pushImage(registry, 'on-parent:latest', made), '--driver', 'overlay')
    const key = `overlay/${nameOf(made, 1)}`
    expect(await run({ keys: [key] })).toMatchObject([{ state: 'sound' }])
    await flip(join(await layerDirectory(made, 1), 'plain'), 0)
    expect(await run({ keys: [key], repair: true })).toMatchObject([{ state: 'repaired' }])
    expect(treeDifference(await umociTree(made), await snapshotTree(node, made, { driver: 'overlay' }))).toEqual([])
  })

  test('is unknown while its layer is not here, or damaged itself; both are repaired at once', async () => {
    const made = await image('both')
    const digest = made.layers[0]?.descriptor.digest ?? ''
    const key = `overlay/${nameOf(made, 0)}`
    await pull(await pushImage(registry, 'both:latest', made), '--driver', 'overlay')
    await flip(join(await layerDirectory(made, 0), 'etc/both'), 0)
    await flip(blobFile(digest), 40)
    expect(await run({ keys: [key] })).toMatchObject([{ key, state: 'unknown' }])
    expect(await run({ keys: [digest, key], repair: true })).toMatchObject([
      { key: digest, state: 'repaired' },
      { key, state: 'repaired' },
    ])
    await node.run('dist', ['delete', digest])
    expect(await run({ keys: [key] })).toMatchObject([{ key, state: 'unknown', why: expect.stringContaining(digest) }])
  })

  test('that says of no layer that it is made of it is unknown', async () => {
    const snapshots = ask<typeof snapshot>('snapshot')
    await snapshots.prepare({ key: 'own', driver: 'overlay' })
    await snapshots.commit({ key: 'own', name: 'of-nothing', driver: 'overlay', labels: { 'gantry.layer': '{"digest":1}' } })
    expect(await run({ keys: ['overlay/of-nothing'] })).toMatchObject([{ state: 'unknown', why: expect.stringContaining('which layer') }])
    await snapshots.remove({ key: 'of-nothing', driver: 'overlay' })
  })
})

test('who stops listening stops it, and nothing half made is left', async () => {
  const made = await image('stopped')
  await pull(await pushImage(registry, 'stopped:latest', made), '--driver', 'overlay')
  await flip(join(await layerDirectory(made, 0), 'etc/stopped'), 0)
  await flip(blobFile(made.config.descriptor.digest), 0)
  for await (const _ of ask<typeof scrub>('scrub').run({ repair: true })) break
  const controller = new AbortController()
  const stopped = Array.fromAsync(ask<typeof scrub>('scrub').run({ repair: true }, { signal: controller.signal }))
  controller.abort(new Error('enough'))
  await expect(stopped).rejects.toThrow()
  const left = async () => [
    ...(await ask<typeof snapshot>('snapshot').list({ driver: 'overlay', filters: ['kind!=committed'] })).snapshots,
    ...(await ask<typeof ingest>('ingest').list({})).ingests,
  ]
  await expect.poll(left, { timeout: 10_000 }).toEqual([])
  const keys = [made.config.descriptor.digest, `overlay/${nameOf(made, 0)}`]
  await run({ repair: true, keys })
  expect(unsound(await run({ keys }))).toEqual([])
})

test('what is named and not there is not found', async () => {
  await expect(run({ keys: [`sha256:${'0'.repeat(64)}`] })).rejects.toMatchObject({ code: 'not_found' })
  await expect(run({ keys: ['overlay/nothing'] })).rejects.toMatchObject({ code: 'not_found' })
  await expect(run({ keys: ['nothing'] })).rejects.toMatchObject({ code: 'invalid_argument' })
})

async function mountedAt(mounts: Parameters<typeof mountAll>[0], work: (at: string) => Promise<void>): Promise<void> {
  const at = await mkdtemp(join(node.root, 'mounted-'))
  await using _mounted = await mountAll(mounts, at)
  await work(at)
}
