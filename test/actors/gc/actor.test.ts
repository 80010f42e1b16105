import { expect, test } from 'vitest'
import { startContent } from '../../../actors/content/actor.ts'
import { startGc } from '../../../actors/gc/actor.ts'
import { startImage } from '../../../actors/image/actor.ts'
import { startIngest } from '../../../actors/ingest/actor.ts'
import { startLease } from '../../../actors/lease/actor.ts'
import { startSnapshot } from '../../../actors/snapshot/actor.ts'
import type { content } from '../../../messages/content.ts'
import type { gc } from '../../../messages/gc.ts'
import type { Client } from '../../../messages/grammar/index.ts'
import type { image } from '../../../messages/image.ts'
import type { ingest } from '../../../messages/ingest.ts'
import type { lease } from '../../../messages/lease.ts'
import type { snapshot } from '../../../messages/snapshot.ts'
import { client } from '../../../runtime/bus/client.ts'
import { listen } from '../../../runtime/bus/listen.ts'
import { digestOf } from '../../support/content.ts'
import { type BareHome, bareHome } from '../../support/keeping.ts'

/** A node that stores and collects, and hands to ask it. */
interface Collecting extends BareHome {
  readonly gc: Client<typeof gc>
  readonly image: Client<typeof image>
  readonly ingest: Client<typeof ingest>
  readonly content: Client<typeof content>
  readonly lease: Client<typeof lease>
  readonly snapshot: Client<typeof snapshot>
  /** Put a small blob, under a lease if one is named; answers its digest. */
  put(text: string, lease?: string): Promise<string>
  /** Record an image of blobs that are there. */
  name(name: string, digests: readonly string[], labels?: Record<string, string>): Promise<unknown>
  digests(): Promise<string[]>
}

const byHand = { 'gc.grace': '0', 'gc.delay': '3600000', 'snapshot.driver': 'native' }

async function startCollecting(settings: Record<string, string> = byHand, root?: string): Promise<Collecting> {
  await using stack = new AsyncDisposableStack()
  const bare = stack.use(await bareHome({ settings, ...(root !== undefined && { root }) }))
  for (const start of [startLease, startContent, startIngest, startSnapshot, startImage, startGc]) stack.use(await start(bare.home))
  const scope = stack.move()
  const { bus } = bare.home
  const node: Collecting = {
    ...bare,
    gc: client<typeof gc>(bus, { node: 'n1', actor: 'gc' }),
    image: client<typeof image>(bus, { node: 'n1', actor: 'image' }),
    ingest: client<typeof ingest>(bus, { node: 'n1', actor: 'ingest' }),
    content: client<typeof content>(bus, { node: 'n1', actor: 'content' }),
    lease: client<typeof lease>(bus, { node: 'n1', actor: 'lease' }),
    snapshot: client<typeof snapshot>(bus, { node: 'n1', actor: 'snapshot' }),
    async put(text, lease) {
      const digest = digestOf(text)
      await node.ingest.put({ digest, bytes: Buffer.from(text), ...(lease !== undefined && { lease }) })
      return digest
    },
    async name(name, digests, labels = {}) {
      const descriptors = await Promise.all(
        digests.map(async (digest) => ({
          mediaType: 'application/octet-stream',
          digest,
          size: (await node.content.info({ digest })).size,
        })),
      )
      const [target] = descriptors
      if (!target) throw new Error('an image of nothing')
      const parts = descriptors.map((descriptor) => ({ descriptor, state: 'present' as const }))
      const platform = { os: 'linux', architecture: 'amd64' }
      return await node.image.put({ name, target, manifest: target, config: target, platform, parts, labels })
    },
    digests: async () => (await node.content.list({})).blobs.map(({ digest }) => digest),
    [Symbol.asyncDispose]: () => scope.disposeAsync(),
  }
  return node
}

const all = async <T>(items: AsyncIterable<T>): Promise<T[]> => await Array.fromAsync(items)

test('exactly the blobs, ingests and snapshots that nothing needs disappear', async () => {
  await using node = await startCollecting()
  await node.lease.create({ id: 'mine' })
  const [kept, held, labelled, lost] = [
    await node.put('kept'),
    await node.put('held', 'mine'),
    await node.put('labelled'),
    await node.put('lost'),
  ]
  await node.content.label({ digest: labelled, labels: { 'gantry.gc.root': 'now' } })
  await node.name('example.org/kept:1', [kept])
  const { token } = await node.ingest.open({ reference: 'left' })
  await node.ingest.close({ token })
  await node.ingest.open({ reference: 'written' })
  await node.snapshot.prepare({ key: 'k1' })
  await node.snapshot.commit({ key: 'k1', name: digestOf('base') })
  await node.snapshot.prepare({ key: 'k2', parent: digestOf('base') })
  const planned = (await all(node.gc.plan({}))).map(({ kind, key }) => `${kind}/${key}`)
  expect(planned.toSorted()).toEqual(
    [`content/${lost}`, 'ingest/left', `snapshot/native/${digestOf('base')}`, 'snapshot/native/k2'].toSorted(),
  )

  expect(await node.gc.run({})).toEqual({ collected: 4, freed: 4, spared: 0, failed: [] })
  expect((await node.digests()).toSorted()).toEqual([kept, held, labelled].toSorted())
  expect((await node.ingest.list({})).ingests.map(({ reference }) => reference)).toEqual(['written'])
  expect((await node.snapshot.list({})).snapshots).toEqual([])
  expect(node.told.filter(({ actor }) => actor === 'gc')).toMatchObject([{ fact: 'collected', data: { collected: 4, freed: 4 } }])
  expect(await node.gc.run({})).toEqual({ collected: 0, freed: 0, spared: 0, failed: [] })
})

test('what is planned for a later time is what goes if nothing changes, and why', async () => {
  await using node = await startCollecting({ ...byHand, 'gc.grace': '86400000' })
  const { expiresAt } = await node.lease.create({ id: 'mine', seconds: 2 * 86_400 })
  const [config, held, free] = [await node.put('config'), await node.put('held', 'mine'), await node.put('free')]
  await node.name('example.org/a:1', [config], { 'gantry.gc.expire': '2100-01-01T00:00:00+01:00' })
  expect(await all(node.gc.plan({}))).toEqual([])
  const inDays = (days: number) => new Date(Date.now() + days * 86_400_000).toISOString()
  expect(await all(node.gc.plan({ at: inDays(1.5) }))).toEqual([
    { kind: 'content', key: free, size: 4, why: expect.stringMatching(/^nothing refers to it, and it was kept without a lease until 20/) },
  ])
  const late = await all(node.gc.plan({ at: '2100-01-01T00:00:00Z' }))
  expect(late).toHaveLength(4)
  expect(late).toContainEqual({ kind: 'content', key: held, size: 4, why: `nothing refers to it, and lease mine ends at ${expiresAt}` })
  expect(late).toContainEqual({ kind: 'image', key: 'example.org/a:1', why: 'its label gantry.gc.expire says 2099-12-31T23:00:00.000Z' })
  expect(late).toContainEqual({ kind: 'content', key: config, size: 6, why: 'only image/example.org/a:1 refers to it, which goes too' })
})

test('an image whose time is over goes, and what it named', async () => {
  await using node = await startCollecting({ ...byHand, 'gc.grace': '86400000' })
  await node.name('example.org/a:1', [await node.put('config')], { 'gantry.gc.expire': '2020-01-01T00:00:00Z' })
  expect(await node.gc.run({})).toMatchObject({ collected: 1 })
  expect(await node.image.list({})).toMatchObject({ images: [] })
  expect(await all(node.gc.plan({ at: '2100-01-01T00:00:00Z' }))).toHaveLength(1)
})

test('why answers the shortest way from a root, the leases and the time', async () => {
  await using node = await startCollecting({ ...byHand, 'gc.grace': '86400000' })
  const { expiresAt } = await node.lease.create({ id: 'mine', seconds: 60 })
  const [config, layer] = [await node.put('config'), await node.put('layer', 'mine')]
  await node.content.label({ digest: config, labels: { 'gantry.gc.ref.snapshot.native': `native/${digestOf('base')}` } })
  await node.name('example.org/a:1', [config])
  await node.snapshot.prepare({ key: 'k1', lease: 'mine' })
  await node.snapshot.commit({ key: 'k1', name: digestOf('base') })
  await node.lease.drop({ id: 'mine', things: [{ kind: 'snapshot', key: `native/${digestOf('base')}` }] })
  expect(await node.gc.why({ key: digestOf('base') })).toEqual({
    thing: { kind: 'snapshot', key: `native/${digestOf('base')}` },
    kept: true,
    path: [
      { kind: 'content', key: config, by: expect.stringMatching(/^made under no lease, kept until 20/) },
      { kind: 'snapshot', key: `native/${digestOf('base')}`, by: 'a label gantry.gc.ref refers to it' },
    ],
    leases: [],
  })
  expect(await node.gc.why({ key: layer })).toEqual({
    thing: { kind: 'content', key: layer },
    kept: true,
    path: [{ kind: 'content', key: layer, by: `lease mine, until ${expiresAt}` }],
    leases: [{ id: 'mine', expiresAt }],
  })
  expect(await node.gc.why({ kind: 'image', key: 'example.org/a:1' })).toMatchObject({
    kept: true,
    path: [{ kind: 'image', key: 'example.org/a:1', by: 'it is an image' }],
  })
})

test('why says that nothing keeps a thing, that there is none, and that several are meant', async () => {
  await using node = await startCollecting()
  const digest = await node.put('lost')
  expect(await node.gc.why({ key: digest })).toEqual({ thing: { kind: 'content', key: digest }, kept: false, path: [], leases: [] })
  await expect(node.gc.why({ key: 'nothing' })).rejects.toMatchObject({ code: 'not_found' })
  await node.snapshot.prepare({ key: 'k1' })
  await node.snapshot.commit({ key: 'k1', name: digest })
  await expect(node.gc.why({ key: digest })).rejects.toMatchObject({
    code: 'failed_precondition',
    message: expect.stringContaining(`content/${digest} or snapshot/native/${digest}`),
  })
  expect(await node.gc.why({ kind: 'snapshot', key: digest })).toMatchObject({ thing: { kind: 'snapshot' } })
})

test('it runs by itself when an image is forgotten', async () => {
  await using node = await startCollecting({ ...byHand, 'gc.delay': '1' })
  const { bus } = node.home
  await node.lease.create({ id: 'mine' })
  const digest = await node.put('config', 'mine')
  await node.name('example.org/a:1', [digest])
  await node.lease.remove({ id: 'mine' })
  const collected = listen<typeof gc, 'collected'>(bus, { actor: 'gc', fact: 'collected' })
  await collected.ready
  expect(await node.digests()).toEqual([digest])
  await node.image.remove({ name: 'example.org/a:1' })
  for await (const { data } of collected) {
    expect(data).toMatchObject({ collected: 1, freed: 6 })
    break
  }
  expect(await node.digests()).toEqual([])
})

test('it runs by itself when a lease expires', async () => {
  await using node = await startCollecting({ ...byHand, 'gc.delay': '1' })
  const gone = listen<typeof content, 'removed'>(node.home.bus, { actor: 'content', fact: 'removed' })
  await gone.ready
  await node.lease.create({ id: 'mine', seconds: 1 })
  const digest = await node.put('config', 'mine')
  for await (const { data } of gone) {
    expect(data).toEqual({ digest })
    break
  }
  expect(node.told.find(({ actor, fact }) => actor === 'lease' && fact === 'removed')?.data).toEqual({ id: 'mine', why: 'expired' })
})

test('it runs by itself when what was made under no lease has been kept long enough', async () => {
  await using node = await startCollecting({ ...byHand, 'gc.delay': '1', 'gc.grace': '300' })
  const gone = listen<typeof content, 'removed'>(node.home.bus, { actor: 'content', fact: 'removed' })
  await gone.ready
  const digest = await node.put('config')
  for await (const { data } of gone) {
    expect(data).toEqual({ digest })
    break
  }
})

test('a delay that is no number of milliseconds is refused', async () => {
  await expect(startCollecting({ ...byHand, 'gc.delay': 'soon' })).rejects.toMatchObject({ code: 'invalid_argument' })
})

test('gives up when told to', async () => {
  await using node = await startCollecting()
  await expect(node.gc.run({}, { signal: AbortSignal.abort() })).rejects.toMatchObject({ code: 'cancelled' })
  await expect(node.gc.why({ key: 'k' }, { signal: AbortSignal.abort() })).rejects.toMatchObject({ code: 'cancelled' })
  await expect(all(node.gc.plan({}, { signal: AbortSignal.abort() }))).rejects.toMatchObject({ code: 'cancelled' })
})
