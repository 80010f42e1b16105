import { expect, test } from 'vitest'
import { type ClusterAsks, clusterSource, type From, registrySource } from '../../../actors/pull/source.ts'
import { Failure } from '../../../messages/grammar/index.ts'

const signal = new AbortController().signal
const lent = (size: number) => ({
  name: 'h.test/r:latest',
  descriptor: { mediaType: 'layer', digest: `sha256:${'1'.repeat(64)}`, size },
  token: 'a-token',
  path: '/ingest',
  offset: 0,
})
const small = lent(1024 * 1024)
const large = lent(1024 * 1024 + 1)

/** A source of a cluster where these nodes answer, and whom it asked. */
function played(holding: readonly string[] = []) {
  const asked: string[] = []
  const fetch = {
    async *object() {
      asked.push('fetch.object')
      yield { bytes: new Uint8Array([1]) }
      yield { bytes: new Uint8Array([2]) }
    },
    async *blob({ descriptor }: { descriptor: { size: number } }) {
      asked.push('fetch.blob')
      yield { offset: descriptor.size }
    },
  }
  const swarm = {
    async object() {
      asked.push('swarm.object')
      return { bytes: new Uint8Array([1, 2]) }
    },
    async *bring({ from, descriptor }: { from: string; descriptor: { size: number } }) {
      asked.push(`swarm.bring from ${from}`)
      yield { offset: descriptor.size, sources: { origin: 0, peers: from === 'registry' ? {} : { n2: descriptor.size } } }
    },
  }
  async function* holders() {
    asked.push('the room')
    for (const node of holding) yield { node, digest: '', size: 0, complete: false }
  }
  const registry = registrySource({ fetch } as unknown as Parameters<typeof registrySource>[0])
  return { asked, registry, cluster: clusterSource({ swarm, registry, holders } as unknown as ClusterAsks) }
}

test('a blob of one piece is read from its registry without a word more when nobody else has or wants it', async () => {
  const { cluster, asked } = played()
  expect(await Array.fromAsync(cluster.blob(small, 'anybody', { signal }))).toEqual([{ offset: small.descriptor.size, shared: false }])
  expect(asked).toEqual(['the room', 'fetch.blob'])
})

test('it is taken from who has it, and agreed on with those who want it', async () => {
  const held = played(['n2'])
  expect(await Array.fromAsync(held.cluster.blob(small, 'anybody', { signal }))).toEqual([{ offset: small.descriptor.size, shared: true }])
  expect(held.asked).toEqual(['the room', 'swarm.bring from anybody'])
  const wanted = played()
  await Array.fromAsync(wanted.cluster.blob(small, 'company', { signal }))
  expect(wanted.asked).toEqual(['swarm.bring from anybody'])
})

test('of a larger one it is always agreed who reads what', async () => {
  const { cluster, asked } = played()
  await Array.fromAsync(cluster.blob(large, 'anybody', { signal }))
  expect(asked).toEqual(['swarm.bring from anybody'])
})

test('from the registry alone means so, whoever has it', async () => {
  for (const one of [small, large]) {
    const { cluster, asked } = played(['n2'])
    expect(await Array.fromAsync(cluster.blob(one, 'registry', { signal }))).toMatchObject([{ shared: false }])
    expect(asked).toEqual(['swarm.bring from registry'])
  }
})

test('a node that keeps to registries asks nobody else', async () => {
  const { registry, asked } = played(['n2'])
  expect(await registry.object(small, { signal })).toEqual(Buffer.from([1, 2]))
  for (const from of ['anybody', 'company', 'registry'] satisfies From[]) await Array.fromAsync(registry.blob(large, from, { signal }))
  expect(asked).toEqual(['fetch.object', 'fetch.blob', 'fetch.blob', 'fetch.blob'])
})

test('that a room cannot be asked is told', async () => {
  const { registry } = played()
  const lost = clusterSource({
    registry,
    swarm: {},
    // biome-ignore lint/correctness/useYield: it has nothing to give
    async *holders() {
      throw new Failure('unavailable', 'the bus is away')
    },
  } as unknown as ClusterAsks)
  await expect(Array.fromAsync(lost.blob(small, 'anybody', { signal }))).rejects.toMatchObject({ code: 'unavailable' })
})
