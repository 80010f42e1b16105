/** One pull feeds every node: real nodes on one NATS server, and a registry that counts. */
import { randomBytes } from 'node:crypto'
import { chmod, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test, vi } from 'vitest'
import type { Agreement } from '../../actors/swarm/claims.ts'
import { keyOf } from '../../actors/tag/agree.ts'
import { agreed } from '../../messages/agreed.ts'
import type { content } from '../../messages/content.ts'
import { blobSubject } from '../../messages/grammar/index.ts'
import type { pull as pullProtocol } from '../../messages/pull.ts'
import type { scrub } from '../../messages/scrub.ts'
import { type Gained, pieceSize, type swarm } from '../../messages/swarm.ts'
import type { tag } from '../../messages/tag.ts'
import { digestToken } from '../../messages/words/index.ts'
import { type Image, makeImage } from '../../ops/lab/images.ts'
import { type Origin, startOrigin } from '../../ops/lab/origin.ts'
import { openBucket } from '../../runtime/bus/bucket.ts'
import type { Bus } from '../../runtime/bus/bus.ts'
import { client } from '../../runtime/bus/client.ts'
import { decode } from '../../runtime/bus/codec.ts'
import { listen } from '../../runtime/bus/listen.ts'
import { archive, directory, file } from '../support/layers.ts'
import { type Nodes, startNodes } from '../support/nodes.ts'
import { layerOf } from '../support/rich-image.ts'
import { snapshotTree } from '../support/snapshot-tree.ts'

vi.setConfig({ testTimeout: 60_000, hookTimeout: 60_000 })

/** `GANTRY_TEST_RUNS=1` asks for every moment. */
const moments = process.env['GANTRY_TEST_RUNS'] === undefined ? [50] : [10, 50, 90]
const names = ['n1', 'n2', 'n3', 'n4']
const scope = new AsyncDisposableStack()
let origin: Origin
let nodes: Nodes
let bus: Bus

beforeAll(async () => {
  origin = scope.use(await startOrigin())
  nodes = scope.use(await startNodes(names))
  bus = await nodes.nats.connect()
})
afterAll(() => scope.disposeAsync())

test('four nodes that pull an image at once ask what it is once, read it once, and make the same of it', async () => {
  const image = await anImage([9 * pieceSize, 3 * pieceSize, 20_000])
  const reference = origin.serve('once', image)
  await using brought = listen<typeof swarm, 'brought'>(bus, { actor: 'swarm', fact: 'brought' })
  await brought.ready
  await using _ = await untilAllWant(reference, image)
  await pulled(reference)
  expect(origin.requests('HEAD')).toBe(1)
  expect(origin.sent()).toBeLessThanOrEqual(1.05 * sizeOf(image))
  const large = image.layers.slice(0, 2).map(({ descriptor }) => descriptor)
  const told = new Map<string, { origin: number; peers: number }>()
  for await (const { source, data } of brought) {
    told.set(`${source} ${data.digest}`, { origin: data.origin, peers: Object.values(data.peers).reduce((sum, one) => sum + one, 0) })
    if (told.size === names.length * large.length) break
  }
  for (const { digest, size } of large) {
    const all = [...told].filter(([key]) => key.endsWith(digest)).map(([, one]) => one)
    for (const one of all) expect(one.origin + one.peers).toBe(size)
    expect(all.reduce((sum, one) => sum + one.origin, 0)).toBe(origin.sent(digest))
  }
  const trees = await Promise.all(names.map((name) => snapshotTree(nodes.node(name), image)))
  expect(trees[0]?.size).toBeGreaterThan(image.layers.length)
  for (const tree of trees) expect(tree).toEqual(trees[0])
})

test('a tag that moved is asked for once by all, and nobody takes what it was', async () => {
  origin.serve('moving', await anImage([1000]))
  await pulled(origin.serve('moving', await anImage([1000])))
  origin.reset()
  const image = await anImage([1000])
  const reference = origin.serve('moving', image)
  await using _ = await untilAllWant(reference, image)
  const all = await pulled(reference)
  expect(origin.requests('HEAD')).toBe(1)
  expect(all.map(({ digest }) => digest)).toEqual(names.map(() => image.manifest.descriptor.digest))
  expect(all.map(({ resolved }) => resolved?.stale)).toEqual(names.map(() => false))
})

test('what one node has, others pull with the registry gone: by digest, and by a name that is shared', async () => {
  const image = await anImage([2 * pieceSize, 100])
  const reference = origin.serve('gone', image)
  const byDigest = `${reference.replace(/:latest$/, '')}@${image.manifest.descriptor.digest}`
  await pulled(reference, ['n1'])
  origin.fail((_, response) => Boolean(response.destroy()))
  try {
    const before = origin.requests()
    expect(await pulled(byDigest, ['n2'])).toMatchObject([{ resolved: { source: 'digest' } }])
    await expect(pulled(reference, ['n3'])).rejects.toMatchObject({ code: 'unavailable' })
    await client<typeof tag>(bus, { node: 'n1', actor: 'tag' }).share({ name: reference })
    const asked = origin.requests()
    expect(await pulled(reference, ['n3'])).toMatchObject([{ resolved: { source: 'shared', by: 'n1' } }])
    expect(origin.requests()).toBe(asked)
    expect(asked).toBeGreaterThan(before)
    expect(await snapshotTree(nodes.node('n3'), image)).toEqual(await snapshotTree(nodes.node('n1'), image))
  } finally {
    origin.fail(undefined)
  }
})

test('what was damaged on one node is made again from another, with the registry gone', async () => {
  const image = await anImage([2 * pieceSize, 100])
  const { digest } = layerOfImage(image)
  await pulled(origin.serve('damaged', image), ['n1', 'n2'])
  const path = join(nodes.node('n2').root, 'content', 'blobs', ...digest.split(':'))
  await chmod(path, 0o600)
  await writeFile(path, Buffer.alloc(layerOfImage(image).size))
  origin.fail((_, response) => Boolean(response.destroy()))
  try {
    const scrubbing = client<typeof scrub>(bus, { node: 'n2', actor: 'scrub' }).run({ kinds: ['content'], keys: [digest], repair: true })
    expect((await Array.fromAsync(scrubbing)).at(-1)).toMatchObject({ key: digest, state: 'repaired' })
  } finally {
    origin.fail(undefined)
  }
  expect(await client<typeof content>(bus, { node: 'n2', actor: 'content' }).verify({ digest })).toMatchObject({ digest })
})

for (const moment of moments) {
  test(`who reads from the registry is frozen at ${moment} %: the others end, and so does it when it thaws`, async () => {
    const { reference, image, hold, spread } = await heldImage(moment, names)
    const all = new Map(names.map((name) => [name, pulled(reference, [name])]))
    for (const one of all.values()) one.catch(() => {})
    await spread()
    const { node: victim, window } = await readerOf(image)
    process.kill(nodes.node(victim).pid, 'SIGSTOP')
    hold.release()
    try {
      await Promise.all(names.filter((name) => name !== victim).map((name) => all.get(name)))
    } finally {
      process.kill(nodes.node(victim).pid, 'SIGCONT')
    }
    await all.get(victim)
    expect(origin.sent(layerOfImage(image).digest) - layerOfImage(image).size).toBeLessThanOrEqual(window)
  })
}

// Each of these leaves one node less.
for (const [at, moment] of [10, 50, 90].entries()) {
  test(`who reads from the registry is killed at ${moment} %, the others end`, async () => {
    const living = names.filter((name) => !killed.has(name))
    const { reference, image, hold, spread } = await heldImage(moment, living)
    expect(living).toHaveLength(names.length - at)
    const all = new Map(living.map((name) => [name, pulled(reference, [name])]))
    for (const one of all.values()) one.catch(() => {})
    await spread()
    const { node: victim, window } = await readerOf(image)
    killed.add(victim)
    await nodes.node(victim).kill()
    hold.release()
    const others = living.filter((name) => name !== victim)
    await Promise.all(others.map((name) => all.get(name)))
    expect(origin.sent(layerOfImage(image).digest) - layerOfImage(image).size).toBeLessThanOrEqual(window)
    for (const name of others) expect((await snapshotTree(nodes.node(name), image)).size).toBeGreaterThan(1)
  })
}

const killed = new Set<string>()
let made = 0

/** An image with a layer of each of these sizes, of what no compression makes smaller. */
const anImage = (sizes: readonly number[]): Promise<Image> =>
  makeImage({ layers: sizes.map((size) => layerOf(archive(directory('of/'), file(`of/${made++}`, randomBytes(size))))) })

/** One whose layer is not sent any further than this, until it is let go on. `spread` resolves when these nodes all have of it what was sent until then. */
async function heldImage(percent: number, living: readonly string[]) {
  const image = await anImage([24 * pieceSize])
  const { digest, size } = layerOfImage(image)
  const had = new Map(living.map((name) => [name, new Set<number>()]))
  let wake = (): void => {}
  const interest = bus.subscribe(blobSubject(bus.root, digestToken(digest), 'gained'), (delivery) => {
    const { node, piece } = decode(delivery) as Gained
    if (piece !== undefined) had.get(node)?.add(piece)
    wake()
  })
  await interest.ready
  const before = Math.floor((size * percent) / 100)
  const hold = origin.hold(digest, before)
  // Each that reads may have been sent part of a piece.
  const least = Math.max(1, Math.floor(before / pieceSize) - living.length)
  const spread = async (): Promise<void> => {
    await hold.reached
    const any = () => new Set([...had.values()].flatMap((pieces) => [...pieces]))
    while (any().size < least || [...had.values()].some((pieces) => pieces.size < any().size))
      await new Promise<void>((resolve) => (wake = resolve))
    await interest[Symbol.asyncDispose]()
  }
  return { image, reference: origin.serve(`held-${made}`, image), hold, spread }
}

/** Have the registry say what a name stands for only once all nodes want to know. */
async function untilAllWant(reference: string, { manifest }: Image): Promise<AsyncDisposable> {
  const all = Promise.withResolvers<void>()
  let wanting = 0
  // each tries to have the right to ask
  const interest = bus.subscribe(`$KV.GANTRY_${agreed.asked.name.toUpperCase()}.${keyOf(reference)}`, () => {
    if (++wanting === names.length) all.resolve()
  })
  await interest.ready
  const { mediaType, digest, size } = manifest.descriptor
  origin.fail((request, response) => {
    if (request.method !== 'HEAD') return false
    origin.fail(undefined)
    void all.promise.then(() => {
      response.writeHead(200, { 'content-type': mediaType, 'docker-content-digest': digest, 'content-length': size }).end()
    })
    return true
  })
  return { [Symbol.asyncDispose]: () => interest[Symbol.asyncDispose]() }
}

function layerOfImage({ layers: [layer] }: Image) {
  if (!layer) throw new Error('the image has no layer')
  return layer.descriptor
}

const sizeOf = ({ manifest, config, layers }: Image): number =>
  [manifest, config, ...layers].reduce((sum, { descriptor }) => sum + descriptor.size, 0)

/** Pull on these nodes at once; resolves to how each pull ended. */
async function pulled(reference: string, on: readonly string[] = names) {
  return await Promise.all(
    on.map(async (node) => {
      const asked = client<typeof pullProtocol>(bus, { node, actor: 'pull' })
      const { ticket } = await asked.start({ reference })
      for await (const _ of asked.follow({ ticket }));
      return await asked.status({ ticket })
    }),
  )
}

/** A node that reads an image's layer from the registry at the moment, and how many bytes it reads in this go: no more is ever read twice. */
async function readerOf(image: Image): Promise<{ node: string; window: number }> {
  const bucket = await openBucket<Agreement>(bus, agreed.claims)
  const said = await bucket?.get(digestToken(layerOfImage(image).digest))
  const [reader] = said?.value?.claims ?? []
  if (!reader) throw new Error('nobody reads from the registry')
  return { node: reader.node, window: (reader.to - reader.from) * pieceSize }
}
