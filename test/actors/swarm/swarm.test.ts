import { afterAll, beforeAll, expect, test } from 'vitest'
import { aBlob, type Cluster, fromPeers, type Sharing, startCluster } from './setup.ts'

let cluster: Cluster
beforeAll(async () => {
  cluster = await startCluster()
})
afterAll(() => cluster[Symbol.asyncDispose]())

test('a node that is alone reads a blob once from its registry, and holds all of it', async () => {
  await using nodes = await several(1)
  const [one] = nodes.all
  const blob = aBlob(20 * 1024 * 1024 + 123)
  expect(await one.bring(cluster.serve(blob), blob)).toEqual({ origin: blob.descriptor.size, peers: {} })
  expect(cluster.origin.sent(blob.descriptor.digest)).toBe(blob.descriptor.size)
  expect(await one.content.verify({ digest: blob.descriptor.digest })).toMatchObject({ size: blob.descriptor.size })
})

test('what one node has, another takes from it and not from the registry', async () => {
  await using nodes = await several(2)
  const [one, two] = nodes.all as [Sharing, Sharing]
  const blob = aBlob(5_000_000)
  await one.bring(cluster.serve(blob), blob)
  const sources = await two.bring(cluster.serve(blob), blob)
  expect(sources).toEqual({ origin: 0, peers: { [one.node]: blob.descriptor.size } })
  expect(cluster.origin.sent(blob.descriptor.digest)).toBe(blob.descriptor.size)
})

test.each([
  ['over the bus', { 'swarm.direct': 'off' }],
  ['over connections of their own', {}],
])('nodes that want a blob at once read it from the registry once, all together, and share it %s', async (how, settings) => {
  await using nodes = await several(6, settings)
  const spy = await cluster.nats.connect()
  let asked = 0
  await using reads = spy.subscribe(`${spy.root}.*.swarm.read`, () => void asked++)
  await reads.ready
  const blob = aBlob(24 * 1024 * 1024)
  const name = cluster.serve(blob)
  const { size, digest } = blob.descriptor
  const sources = await Promise.all(nodes.all.map((node) => node.bring(name, blob)))
  for (const node of nodes.all) expect(await node.content.verify({ digest }, { timeoutMs: 30_000 })).toMatchObject({ size })
  expect(sources.reduce((sum, one) => sum + one.origin, 0)).toBe(cluster.origin.sent(digest))
  for (const one of sources) expect(one.origin + fromPeers(one)).toBe(size)
  expect(cluster.origin.sent(digest)).toBeLessThanOrEqual(size * 1.05)
  // Nobody is everybody's source: what comes from others comes from several.
  for (const one of sources) if (fromPeers(one) > size / 2) expect(Object.keys(one.peers).length).toBeGreaterThan(1)
  if (how === 'over the bus') expect(asked).toBeGreaterThanOrEqual(2 * 5 * 24)
  else expect(asked).toBeLessThan(2 * 5 * 24)
})

let made = 0

async function several(
  count: number,
  settings?: Readonly<Record<string, string>>,
): Promise<{ all: [Sharing, ...Sharing[]] } & AsyncDisposable> {
  await using nodes = new AsyncDisposableStack()
  const all: Sharing[] = []
  for (let index = 0; index < count; index++) all.push(nodes.use(await cluster.join(`n${made++}`, settings)))
  const kept = nodes.move()
  return { all: all as [Sharing, ...Sharing[]], [Symbol.asyncDispose]: () => kept.disposeAsync() }
}
