import { randomBytes } from 'node:crypto'
import { afterAll, beforeAll, expect, test } from 'vitest'
import type { container } from '../../messages/container.ts'
import type { content } from '../../messages/content.ts'
import type { gc } from '../../messages/gc.ts'
import type { Protocol } from '../../messages/grammar/index.ts'
import type { image as imageProtocol } from '../../messages/image.ts'
import type { ingest } from '../../messages/ingest.ts'
import type { lease } from '../../messages/lease.ts'
import type { pull as pullProtocol } from '../../messages/pull.ts'
import type { snapshot } from '../../messages/snapshot.ts'
import { chainIds, type Thing } from '../../messages/words/index.ts'
import { type Image, type Layer, makeImage } from '../../ops/lab/images.ts'
import type { Bus } from '../../runtime/bus/bus.ts'
import { client } from '../../runtime/bus/client.ts'
import { treeDifference } from '../support/file-tree.ts'
import { bytes, type HostileRegistry, startHostileRegistry } from '../support/hostile-registry.ts'
import { archive, directory, file } from '../support/layers.ts'
import { type RunningNode, startNode } from '../support/node.ts'
import { remains } from '../support/remains.ts'
import { layerOf } from '../support/rich-image.ts'
import { blobPath, held, serveImage } from '../support/served-image.ts'
import { snapshotTree } from '../support/snapshot-tree.ts'
import { tempDirectory } from '../support/temp.ts'
import { umociTree } from '../support/umoci.ts'

const scope = new AsyncDisposableStack()
let registry: HostileRegistry
let root: string
let node: RunningNode
let bus: Bus

beforeAll(async () => {
  registry = scope.use(await startHostileRegistry())
  root = scope.use(await tempDirectory()).path
  node = await startNode({ root })
  scope.defer(() => node.stop())
  bus = await node.connect()
  scope.defer(() => bus[Symbol.asyncDispose]())
})
afterAll(() => scope.disposeAsync())

for (const driver of ['overlay', 'native']) {
  test(`a pull loses nothing to a collector that runs without end: ${driver}`, async () => {
    const image = await anImage()
    const ran = counter()
    const reference = serveImage(registry, `collected-${driver}`, image)
    for (const { descriptor, bytes } of image.layers)
      registry.on(blobPath(`collected-${driver}`, descriptor.digest), held(bytes, { before: bytes.length >> 1, until: ran.reached(5) }))
    await using _collecting = collecting(ran.count)
    await pulled(reference, { driver })
    await isWhole(reference, image, { driver })
  })
}

test('pulled again while the collector removes what was there, it is whole each time', async () => {
  const image = await anImage()
  const reference = serveImage(registry, 'again', image)
  await pulled(reference)
  await using _collecting = collecting()
  for (let time = 0; time < 8; time++) {
    await actors().image.remove({ name: reference })
    // from nothing begun to all but done
    if (time % 2 === 1) await actors().gc.run({}, slow)
    await pulled(reference)
    expect(await actors().image.check({ name: reference })).toEqual({ complete: true, missing: [] })
  }
  await isWhole(reference, image)
})

test('two pulls at once, of which one is cancelled and one forgotten while it ends, share what they bring and lose nothing', async () => {
  const shared = large()
  const images = await Promise.all([1, 2, 3].map(() => makeImage({ layers: [shared, large()] })))
  const asked = Promise.withResolvers<void>()
  const references = images.map((image, at) => {
    const reference = serveImage(registry, `shared-${at}`, image)
    const behaviour = held(shared.bytes, { before: 1000, until: asked.promise })
    registry.on(blobPath(`shared-${at}`, shared.descriptor.digest), behaviour)
    return reference
  })
  await using _collecting = collecting()
  const tickets = []
  for (const reference of references) tickets.push(await until(reference, { digest: shared.descriptor.digest, offset: 1 }))
  const [first = '', second = '', third = ''] = tickets
  await actors().pull.cancel({ ticket: first })
  asked.resolve()
  await ended(second)
  await actors().image.remove({ name: references[1] ?? '' })
  await ended(third)
  const [, , last] = images
  if (last) await isWhole(references[2] ?? '', last)
})

test('a cancelled pull leaves what its lease says and nothing else, all of it goes a day later, and until then it is gone on with', async () => {
  await nothingLeft()
  const image = await anImage()
  const last = image.layers.at(-1)
  if (!last) throw new Error('it has layers')
  const never = Promise.withResolvers<void>()
  const reference = serveImage(registry, 'cancelled', image)
  registry.on(blobPath('cancelled', last.descriptor.digest), held(last.bytes, { before: last.bytes.length >> 1, until: never.promise }))
  const ticket = await until(reference, { digest: last.descriptor.digest, offset: 1 })
  const running = await actors().pull.status({ ticket })
  expect(running.lease).toBe(`pull-${ticket}`)
  await actors().pull.cancel({ ticket })

  const { state, lease: id = '', finishedAt = '' } = await actors().pull.status({ ticket })
  expect(state).toBe('cancelled')
  const { things, expiresAt = '' } = await actors().lease.get({ id })
  expect(Date.parse(expiresAt) - Date.parse(finishedAt)).toBeGreaterThan(86_400_000 - 60_000)
  const there = await everything()
  expect(names(things)).toEqual(names(there))
  expect(things).toContainEqual({ kind: 'ingest', key: last.descriptor.digest })
  const status = await actors().ingest.status({ reference: last.descriptor.digest })
  expect(status).toMatchObject({ state: 'closed', lease: id })

  expect(await actors().gc.run({}, slow)).toMatchObject({ collected: 0, failed: [] })
  expect(names(await planned())).toEqual([])
  expect(names(await planned(new Date(Date.parse(expiresAt) + 1000)))).toEqual(names(there))

  registry.on(blobPath('cancelled', last.descriptor.digest), bytes(last.bytes))
  await pulled(reference)
  const ranges = registry.seen.filter(({ path }) => path.endsWith(last.descriptor.digest)).map(({ headers }) => headers.range)
  expect(ranges).toEqual([undefined, `bytes=${status.offset}-`])
  await isWhole(reference, image)
  // what the cancelled one left is the image's now
  expect((await actors().lease.list({})).leases).toEqual([])
  expect((await actors().pull.status({ ticket })).lease).toBeUndefined()
  never.resolve()
})

test('a pull that brings nothing leaves no lease', async () => {
  const { ticket } = await actors().pull.start({ reference: `${registry.host}/none:latest` })
  await expect(ended(ticket)).rejects.toMatchObject({ code: 'not_found' })
  expect(await actors().pull.status({ ticket })).not.toHaveProperty('lease')
  expect((await actors().lease.list({})).leases).toEqual([])
})

test('forgotten, an image takes along what is its own, and leaves what another one has too', async () => {
  await nothingLeft()
  const shared = large()
  const [one, other] = await Promise.all([1, 2].map(() => makeImage({ layers: [shared, large()] })))
  if (!one || !other) throw new Error('two were made')
  const references = [serveImage(registry, 'one', one), serveImage(registry, 'other', other)]
  for (const reference of references) await pulled(reference)
  await forget(references[0] ?? '')
  await actors().gc.run({}, slow)
  await isWhole(references[1] ?? '', other)
  const kept = [other.manifest, other.config, ...other.layers].map(({ descriptor }) => ({
    kind: 'content' as const,
    key: descriptor.digest,
  }))
  const snapshots = chainOf(other).map((chainId) => ({ kind: 'snapshot' as const, key: `overlay/${chainId}` }))
  const left = await everything()
  expect(names(left)).toEqual(names([...kept, ...snapshots, { kind: 'image', key: references[1] ?? '' }]))
  await forget(references[1] ?? '')
  await actors().gc.run({}, slow)
  expect(await everything()).toEqual([])
  expect(await remains(node)).toEqual([])
})

test('a container keeps what it stands on when its image is forgotten, until it is removed', async () => {
  await nothingLeft()
  const image = await makeImage({ layers: [large(), large()] })
  const reference = serveImage(registry, 'contained', image)
  await pulled(reference)
  await actors().container.create({ id: 'c', image: reference, args: ['/none'] })
  await forget(reference)
  await actors().gc.run({}, slow)
  const snapshots = [...chainOf(image), 'c'].map((key) => ({ kind: 'snapshot' as const, key: `overlay/${key}` }))
  const documents = [image.manifest, image.config].map(({ descriptor }) => ({ kind: 'content' as const, key: descriptor.digest }))
  expect(names(await everything())).toEqual(names([...snapshots, ...documents, { kind: 'container', key: 'c' }]))
  expect(treeDifference(await umociTree(image), await snapshotTree(node, image))).toEqual([])
  await actors().container.remove({ id: 'c' })
  await actors().gc.run({}, slow)
  expect(await everything()).toEqual([])
})

test('what was brought says from where, as what, what it unpacked to and what it is for', async () => {
  const image = await makeImage({ layers: [large(), large()] })
  const reference = serveImage(registry, 'labelled', image)
  await pulled(reference)
  const source = `gantry.source.${registry.host}`
  const labels = async (digest: string) => (await actors().content.info({ digest })).labels
  for (const { descriptor, diffId } of image.layers)
    expect(await labels(descriptor.digest)).toEqual({
      [source]: 'labelled',
      'gantry.media-type': descriptor.mediaType,
      'gantry.uncompressed': diffId,
    })
  const [bottom = '', top = ''] = chainOf(image)
  expect(await labels(image.config.descriptor.digest)).toEqual({
    [source]: 'labelled',
    'gantry.media-type': image.config.descriptor.mediaType,
    'gantry.gc.ref.snapshot.overlay': `overlay/${top}`,
  })
  expect((await actors().snapshot.stat({ key: bottom })).labels).toMatchObject({
    'gantry.layer': JSON.stringify(image.layers[0]?.descriptor),
    'gantry.implied': expect.stringMatching(/^\[.*\]$/),
  })
  await pulled(serveImage(registry, 'a/second', image))
  expect((await labels(image.config.descriptor.digest))[source]).toBe('a/second,labelled')
  await forget(reference)
  await forget(`${registry.host}/a/second:latest`)
})

test('killed in the middle of a pull, the node finds the lease again, and the pull goes on under it', async () => {
  const image = await anImage()
  const last = image.layers.at(-1)
  if (!last) throw new Error('it has layers')
  const killed = Promise.withResolvers<void>()
  const reference = serveImage(registry, 'killed', image)
  const behaviour = held(last.bytes, { before: last.bytes.length >> 1, until: killed.promise })
  registry.on(blobPath('killed', last.descriptor.digest), behaviour)
  const ticket = await until(reference, { digest: last.descriptor.digest, offset: 1 })
  const before = await actors().lease.get({ id: `pull-${ticket}` })
  await node.kill()
  await bus[Symbol.asyncDispose]()
  node = await startNode({ root })
  bus = await node.connect()
  await using _collecting = collecting()
  const after = await actors().lease.get({ id: `pull-${ticket}` })
  expect(after.createdAt).toBe(before.createdAt)
  // A layer that was being unpacked when it was looked at may have been committed before the kill.
  expect(asCommitted(after.things)).toEqual(expect.arrayContaining(asCommitted(before.things)))
  killed.resolve()
  await ended(ticket)
  await isWhole(reference, image)
  expect((await actors().lease.list({})).leases).toEqual([])
})

const slow = { timeoutMs: 60_000 }

/** Whom the tests ask; anew after the node was. */
function actors() {
  const ask = <P extends Protocol>(actor: string) => client<P>(bus, { node: node.name, actor })
  return {
    pull: ask<typeof pullProtocol>('pull'),
    lease: ask<typeof lease>('lease'),
    gc: ask<typeof gc>('gc'),
    image: ask<typeof imageProtocol>('image'),
    content: ask<typeof content>('content'),
    ingest: ask<typeof ingest>('ingest'),
    snapshot: ask<typeof snapshot>('snapshot'),
    container: ask<typeof container>('container'),
  }
}

/** The collector, run again and again until disposed of. */
function collecting(onRun: () => void = () => {}): AsyncDisposable {
  let over = false
  const running = (async () => {
    while (!over) {
      expect((await actors().gc.run({}, slow)).failed).toEqual([])
      onRun()
    }
  })()
  running.catch(() => {})
  return {
    async [Symbol.asyncDispose]() {
      over = true
      await running
    },
  }
}

/** Counts, and says when it has counted so far. */
function counter(): { count: () => void; reached: (number: number) => Promise<void> } {
  let count = 0
  const waiting: { number: number; resolve: () => void }[] = []
  return {
    count() {
      count++
      for (const { number, resolve } of waiting) if (count >= number) resolve()
    },
    reached: (number) => new Promise((resolve) => void waiting.push({ number, resolve })),
  }
}

async function pulled(reference: string, { driver }: { driver?: string } = {}): Promise<void> {
  const { ticket } = await actors().pull.start({ reference, ...(driver && { driver }) })
  await ended(ticket)
}

async function ended(ticket: string): Promise<void> {
  for await (const _ of actors().pull.follow({ ticket }));
}

/** Begin a pull; resolves with its ticket once so much of a blob is there. */
async function until(reference: string, { digest, offset }: { digest: string; offset: number }): Promise<string> {
  const { ticket } = await actors().pull.start({ reference })
  for await (const { steps } of actors().pull.follow({ ticket }))
    if (steps.some((step) => step.descriptor.digest === digest && step.offset >= offset)) break
  return ticket
}

/** Names of things, an active snapshot of a layer under the name it will be committed as. */
function asCommitted(things: Thing[]): string[] {
  return names(things.map(({ kind, key }) => ({ kind, key: key.replace('/layer-', '/') })))
}

const forget = async (reference: string): Promise<unknown> => await actors().image.remove({ name: reference })

/** All of an image is there, in content and as a file system. */
async function isWhole(reference: string, image: Image, options: { driver?: string } = {}): Promise<void> {
  expect(await actors().image.check({ name: reference })).toEqual({ complete: true, missing: [] })
  for (const { descriptor } of [image.manifest, image.config, ...image.layers])
    expect(await actors().content.verify({ digest: descriptor.digest }, slow)).toMatchObject({ digest: descriptor.digest })
  expect(treeDifference(await umociTree(image), await snapshotTree(node, image, options))).toEqual([])
}

/** Forget every image, and all that was kept by it or by a lease. */
async function nothingLeft(): Promise<void> {
  for (const { id } of (await actors().lease.list({})).leases) await actors().lease.remove({ id })
  for (const { name } of (await actors().image.list({})).images) await forget(name)
  await actors().gc.run({}, slow)
  expect(await everything()).toEqual([])
}

/** Everything the node has. */
async function everything(): Promise<Thing[]> {
  const { content, ingest, snapshot, image, container } = actors()
  const snapshots = await Promise.all(['overlay', 'native'].map(async (driver) => (await snapshot.list({ driver })).snapshots))
  return [
    ...(await content.list({})).blobs.map(({ digest }): Thing => ({ kind: 'content', key: digest })),
    ...(await ingest.list({})).ingests.map(({ reference }): Thing => ({ kind: 'ingest', key: reference })),
    ...snapshots.flat().map(({ driver, key }): Thing => ({ kind: 'snapshot', key: `${driver}/${key}` })),
    ...(await image.list({})).images.map(({ name }): Thing => ({ kind: 'image', key: name })),
    ...(await container.list({})).containers.map(({ id }): Thing => ({ kind: 'container', key: id })),
  ]
}

async function planned(at?: Date): Promise<Thing[]> {
  const things: Thing[] = []
  for await (const thing of actors().gc.plan({ ...(at && { at: at.toISOString() }) })) things.push(thing)
  return things
}

const names = (things: readonly Thing[]): string[] => things.map(({ kind, key }) => `${kind} ${key}`).toSorted()

const chainOf = (image: Image): string[] => chainIds(image.layers.map(({ diffId }) => diffId))

let made = 0

/** A layer that no compression makes smaller. */
const large = (): Layer => layerOf(archive(directory('of/'), file(`of/${made++}`, randomBytes(1 << 20))))

/** One to stand on, one that goes through what is below, two that do not. */
const anImage = (): Promise<Image> =>
  makeImage({ layers: [large(), layerOf(archive(file('of/through', randomBytes(1000)), file('of/.wh.none'))), large(), large()] })
