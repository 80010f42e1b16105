import { afterAll, beforeAll, expect, test } from 'vitest'
import type { content } from '../../messages/content.ts'
import type { image as imageProtocol } from '../../messages/image.ts'
import type { pull as pullProtocol } from '../../messages/pull.ts'
import type { snapshot } from '../../messages/snapshot.ts'
import { chainIds } from '../../messages/words/index.ts'
import { here, type Image, type Index, makeImage, makeIndex } from '../../ops/lab/images.ts'
import type { Bus } from '../../runtime/bus/bus.ts'
import { client } from '../../runtime/bus/client.ts'
import { listen } from '../../runtime/bus/listen.ts'
import { bytes, type HostileRegistry, manifest, startHostileRegistry } from '../support/hostile-registry.ts'
import { archive, file } from '../support/layers.ts'
import { type RunningNode, startNode } from '../support/node.ts'
import { remains } from '../support/remains.ts'
import { layerOf } from '../support/rich-image.ts'
import { blobPath, manifestPath, serveImage } from '../support/served-image.ts'
import { snapshotTree } from '../support/snapshot-tree.ts'

const scope = new AsyncDisposableStack()
let registry: HostileRegistry
let node: RunningNode
let bus: Bus

beforeAll(async () => {
  registry = scope.use(await startHostileRegistry())
  node = scope.use(await startNode())
  bus = scope.use(await node.connect())
})
afterAll(() => scope.disposeAsync())

const s390x = { os: 'linux', architecture: 's390x' }

test('an image that is here is unpacked with nothing asked of its registry, and a second time nothing happens', async () => {
  const image = await anImage('content-only')
  const reference = serveImage(registry, 'only', image)
  await ended(await start({ reference, unpack: false }))
  expect(await layersOf(image)).toEqual([false, false])
  const asked = registry.seen.length

  const { steps } = await ended(await unpack({ name: reference }))
  expect(registry.seen).toHaveLength(asked)
  expect(await layersOf(image)).toEqual([true, true])
  const layer = steps.find(({ descriptor }) => descriptor.digest === image.layers[0]?.descriptor.digest)
  expect(layer).toMatchObject({ status: 'done', offset: layer?.descriptor.size, unpacked: layer?.descriptor.size, entries: 1 })
  expect(layer?.written).toBeGreaterThan(0)
  expect([...(await snapshotTree(node, image)).keys()]).toEqual(['.', 'content-only-0', 'content-only-1'])

  await using told = await facts()
  await ended(await unpack({ name: reference }))
  expect(told.all.filter((type) => !/^(pull|lease)\./.test(type))).toEqual([])
  expect(await remains(node)).toEqual([])
})

test('another driver unpacks what is here again, beside the first', async () => {
  const image = await anImage('twice')
  const reference = serveImage(registry, 'twice', image)
  await ended(await start({ reference }))
  await ended(await unpack({ name: reference, driver: 'native' }))
  expect(await layersOf(image)).toEqual([true, true])
  expect(await layersOf(image, 'native')).toEqual([true, true])
})

test('another platform of an index is unpacked when it is here, and kept by the name from then on', async () => {
  const [ours, other] = [await anImage('ours'), await anImage('other', s390x)]
  const index = makeIndex([
    { platform: here, image: ours },
    { platform: s390x, image: other },
  ])
  const reference = serveIndex('index', index)
  await ended(await start({ reference: serveIndex('beside', index), platform: s390x, unpack: false }))
  await ended(await start({ reference, unpack: false }))

  await ended(await unpack({ name: reference, platform: s390x }))
  expect(await layersOf(other)).toEqual([true, true])
  expect(await layersOf(ours)).toEqual([false, false])
  const record = await actors().image.get({ name: reference })
  expect(record.platform).toMatchObject(here)
  const present = record.parts.filter(({ state }) => state === 'present').map(({ descriptor }) => descriptor.digest)
  for (const { descriptor } of [...ours.layers, ...other.layers, other.config]) expect(present).toContain(descriptor.digest)
})

test('what is not here any more is named, all of it, and nothing is left behind', async () => {
  const image = await anImage('gone')
  const reference = serveImage(registry, 'gone', image)
  await ended(await start({ reference, unpack: false }))
  const digests = image.layers.map(({ descriptor }) => descriptor.digest)
  for (const digest of digests) await actors().content.remove({ digest })
  const asked = registry.seen.length

  const ticket = await unpack({ name: reference })
  const failed = await ended(ticket).catch((error: unknown) => error)
  expect(failed).toMatchObject({ code: 'failed_precondition' })
  for (const digest of digests) expect(String(failed)).toContain(digest)
  expect(registry.seen).toHaveLength(asked)
  expect(await remains(node)).toEqual([])
  for (const { bytes: content, descriptor } of image.layers) registry.on(blobPath('gone', descriptor.digest), bytes(content))
  await ended(await start({ reference }))
})

test('a name that names nothing is not found', async () => {
  await expect(unpack({ name: 'nobody.test/none:latest' })).rejects.toMatchObject({ code: 'not_found' })
})

function serveIndex(repository: string, index: Index): string {
  for (const image of index.images) serveImage(registry, repository, image)
  for (const tag of ['latest', index.manifest.descriptor.digest]) registry.on(manifestPath(repository, tag), manifest(index.manifest))
  return `${registry.host}/${repository}:latest`
}

const anImage = (name: string, platform = here): Promise<Image> =>
  makeImage({ layers: [0, 1].map((at) => layerOf(archive(file(`${name}-${at}`, `${name} ${at}`)))), platform })

function actors() {
  const ask = { node: node.name }
  return {
    pull: client<typeof pullProtocol>(bus, { ...ask, actor: 'pull' }),
    image: client<typeof imageProtocol>(bus, { ...ask, actor: 'image' }),
    content: client<typeof content>(bus, { ...ask, actor: 'content' }),
    snapshot: client<typeof snapshot>(bus, { ...ask, actor: 'snapshot' }),
  }
}

const start = async (request: Parameters<ReturnType<typeof actors>['pull']['start']>[0]) => (await actors().pull.start(request)).ticket
const unpack = async (request: Parameters<ReturnType<typeof actors>['pull']['unpack']>[0]) => (await actors().pull.unpack(request)).ticket

async function ended(ticket: string) {
  for await (const _ of actors().pull.follow({ ticket }));
  return await actors().pull.status({ ticket })
}

/** Whether each layer's snapshot is there. */
async function layersOf({ layers }: Image, driver = 'overlay'): Promise<boolean[]> {
  const names = chainIds(layers.map(({ diffId }) => diffId))
  const { snapshots } = await actors().snapshot.list({ driver })
  return names.map((name) => snapshots.some(({ key }) => key === name))
}

/** Types of all facts told from now on. */
async function facts() {
  const all: string[] = []
  const interest = listen(bus, {}, { handler: ({ type }) => void all.push(type) })
  await interest.ready
  return { all, [Symbol.asyncDispose]: () => interest[Symbol.asyncDispose]() }
}
