import { randomBytes } from 'node:crypto'
import { afterAll, beforeAll, expect, test } from 'vitest'
import type { pull as pullProtocol } from '../../messages/pull.ts'
import type { unpack } from '../../messages/unpack.ts'
import { type Image, type Layer, makeImage } from '../../ops/lab/images.ts'
import { client } from '../../runtime/bus/client.ts'
import { listen } from '../../runtime/bus/listen.ts'
import { type HostileRegistry, startHostileRegistry } from '../support/hostile-registry.ts'
import { archive, directory, file } from '../support/layers.ts'
import { type RunningNode, startNode } from '../support/node.ts'
import { remains } from '../support/remains.ts'
import { layerOf } from '../support/rich-image.ts'
import { blobPath, held, serveImage } from '../support/served-image.ts'
import { snapshotTree } from '../support/snapshot-tree.ts'

const scope = new AsyncDisposableStack()
let registry: HostileRegistry
let node: RunningNode

beforeAll(async () => {
  registry = scope.use(await startHostileRegistry())
  node = scope.use(await startNode({ args: ['--set', 'gc.delay=3600000'] }))
})
afterAll(() => scope.disposeAsync())

test('a layer is applied while it arrives: its end is sent only once its beginning is applied', async () => {
  for (const driver of ['overlay', 'native']) {
    const layer = large()
    await using applying = await untilApplied([layer])
    const reference = serveHeld(driver, await makeImage({ layers: [layer] }), applying.begun)
    await pull(reference, '--driver', driver)
  }
})

test('layers arrive and are applied at once: the end of each is sent only once the beginning of every one is applied', async () => {
  const image = await makeImage({ layers: [large(), large(), large(), large()] })
  await using applying = await untilApplied(image.layers)
  await pull(serveHeld('parallel', image, applying.begun))
  expect([...(await snapshotTree(node, image)).keys()].filter((name) => name.startsWith('of/'))).toHaveLength(4)
})

test('two pulls at once that share layers fetch each blob once', async () => {
  const [shared, mine, other] = [large(), large(), large()]
  const images = await Promise.all([mine, other].map((own) => makeImage({ layers: [shared, own] })))
  const bothWant = Promise.withResolvers<void>()
  const references = images.map((image, at) => {
    const reference = serveImage(registry, `sharing-${at}`, image)
    const behaviour = held(shared.bytes, { before: 1000, until: bothWant.promise })
    registry.on(blobPath(`sharing-${at}`, shared.descriptor.digest), behaviour)
    return reference
  })
  await using bus = await node.connect()
  const pulls = client<typeof pullProtocol>(bus, { node: node.name, actor: 'pull' })
  const wanted = await Promise.all(
    references.map(async (reference) => {
      const { ticket } = await pulls.start({ reference })
      for await (const { steps } of pulls.follow({ ticket }))
        if (steps.some(({ descriptor, offset }) => descriptor.digest === shared.descriptor.digest && offset > 0)) break
      return ticket
    }),
  )
  bothWant.resolve()
  for (const ticket of wanted) for await (const _ of pulls.follow({ ticket }));
  for (const { descriptor } of [shared, mine, other, ...images.map(({ config }) => config)])
    expect({ ...descriptor, fetched: fetched(descriptor.digest) }).toMatchObject({ fetched: 1 })
  for (const image of images) expect([...(await snapshotTree(node, image)).keys()].filter((name) => name.startsWith('of/'))).toHaveLength(2)
})

test('the same name asked for twice at once is one pull', async () => {
  const layer = large()
  const begun = Promise.withResolvers<void>()
  const reference = serveHeld('twice', await makeImage({ layers: [layer] }), begun.promise)
  const tickets = await Promise.all([1, 2].map(async () => (await node.run('dist', ['pull', '--detach', reference])).stdout.trim()))
  expect(tickets[0]).toBe(tickets[1])
  begun.resolve()
  await pull(reference)
  expect(fetched(layer.descriptor.digest)).toBe(1)
})

test('what is here is not fetched again: neither by the same name, nor by another, nor for another driver', async () => {
  const [shared, own] = [large(), large()]
  const image = await makeImage({ layers: [shared] })
  const reference = serveImage(registry, 'first', image)
  await pull(reference)
  const before = registry.seen.length

  expect(await pull(reference)).toContain('exists')
  await node.run('dist', ['rmi', reference])
  await pull(reference)
  await pull(reference, '--driver', 'native')
  const asked = registry.seen.slice(before)
  expect(asked.filter(({ path }) => path.includes('/blobs/'))).toEqual([])
  expect(asked.filter(({ method, path }) => method === 'GET' && path.includes('/manifests/sha256:'))).toEqual([])

  await pull(serveImage(registry, 'second', await makeImage({ layers: [shared, own] })))
  expect([fetched(shared.descriptor.digest), fetched(own.descriptor.digest)]).toEqual([1, 1])
  expect(await remains(node)).toEqual([])
})

let made = 0

/** A layer of 3 MiB that no compression makes smaller. */
const large = (): Layer => layerOf(archive(directory('of/'), file(`of/${made++}`, randomBytes(3 << 20))))

/** An image whose layers are held back at the middle. */
function serveHeld(repository: string, image: Image, until: Promise<unknown>): string {
  const reference = serveImage(registry, repository, image)
  for (const { descriptor, bytes } of image.layers)
    registry.on(blobPath(repository, descriptor.digest), held(bytes, { before: bytes.length >> 1, until }))
  return reference
}

/** Resolves `begun` when some of each layer has been applied. */
async function untilApplied(layers: readonly Layer[]): Promise<AsyncDisposable & { begun: Promise<void> }> {
  const bus = await node.connect()
  const missing = new Set(layers.map(({ descriptor }) => descriptor.digest))
  const begun = Promise.withResolvers<void>()
  const heard = listen<typeof unpack, 'progressed'>(
    bus,
    { node: node.name, actor: 'unpack', fact: 'progressed' },
    {
      handler: ({ data }) => {
        if (data.offset > 0) missing.delete(data.digest)
        if (missing.size === 0) begun.resolve()
      },
    },
  )
  await heard.ready
  return { begun: begun.promise, [Symbol.asyncDispose]: () => bus[Symbol.asyncDispose]() }
}

async function pull(reference: string, ...more: string[]): Promise<string> {
  const { exitCode, stdout, stderr } = await node.run('dist', ['pull', reference, ...more])
  expect({ exitCode, stderr }).toEqual({ exitCode: 0, stderr: '' })
  return stdout
}

/** How often a blob was asked for. */
const fetched = (digest: string): number =>
  registry.seen.filter(({ method, path }) => method === 'GET' && path.endsWith(`/blobs/${digest}`)).length
