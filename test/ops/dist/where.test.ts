import { afterAll, beforeAll, expect, test, vi } from 'vitest'
import type { ingest } from '../../../messages/ingest.ts'
import type { swarm } from '../../../messages/swarm.ts'
import type { Descriptor } from '../../../messages/words/index.ts'
import { writeLayout } from '../../../ops/command/layout-archive.ts'
import { makeImage } from '../../../ops/lab/images.ts'
import { client } from '../../../runtime/bus/client.ts'
import { complaint } from '../../support/complaint.ts'
import { type HostileRegistry, startHostileRegistry } from '../../support/hostile-registry.ts'
import { type Nodes, startNodes } from '../../support/nodes.ts'
import { blobPath, held, serveImage } from '../../support/served-image.ts'
import { snapshotTree } from '../../support/snapshot-tree.ts'
import { umociTree } from '../../support/umoci.ts'

// a machine that is busy starts processes slowly
vi.setConfig({ testTimeout: 60_000, hookTimeout: 60_000 })

const scope = new AsyncDisposableStack()
let registry: HostileRegistry
let nodes: Nodes

beforeAll(async () => {
  registry = scope.use(await startHostileRegistry())
  nodes = scope.use(await startNodes(['n1', 'n2']))
})
afterAll(() => scope.disposeAsync())

async function said(node: string, ...args: string[]): Promise<string> {
  const { stdout, stderr, exitCode } = await nodes.node(node).run('dist', args)
  expect({ args, stderr, exitCode }).toEqual({ args, stderr: '', exitCode: 0 })
  return stdout.trimEnd()
}
const rows = async (...args: string[]) => (await said('n2', 'where', '--json', ...args)).split('\n').map((line) => JSON.parse(line))

/** Have n1 bring a blob. */
async function receive(name: string, descriptor: Descriptor): Promise<void> {
  await using bus = await nodes.node('n1').connect()
  const store = client<typeof ingest>(bus, { node: 'n1', actor: 'ingest' })
  const { token, path, offset } = await store.open({ reference: descriptor.digest, expected: descriptor.digest, total: descriptor.size })
  for await (const _ of client<typeof swarm>(bus, { node: 'n1', actor: 'swarm' }).bring({ name, descriptor, token, path, offset }));
  await store.commit({ token, size: descriptor.size, digest: descriptor.digest })
}

test('who has a blob is told, and how much of it, also by those who are receiving it', async () => {
  const piece = 1024 * 1024
  const image = await makeImage({
    layers: [{ entries: [{ name: 'a', content: Buffer.alloc(3 * piece, 'a') }], compression: 'none' }, [{ name: 'b', content: 'b' }]],
  })
  const [layer] = image.layers
  const { digest, size } = layer?.descriptor ?? { digest: '', size: 0 }
  const reference = serveImage(registry, 'held', image)
  const { promise: until, resolve: go } = Promise.withResolvers<void>()
  registry.on(blobPath('held', digest), held(layer?.bytes ?? Buffer.of(), { before: 2 * piece, until }))

  const pulled = receive(reference, layer?.descriptor ?? image.manifest.descriptor)
  await expect
    .poll(async () => (await nodes.node('n2').run('dist', ['where', '--json', digest])).stdout, { timeout: 20_000 })
    .toMatch(/"state":"receiving","percent":[1-9]/)
  expect(await rows(digest)).toEqual([
    { node: 'n1', state: 'receiving', percent: expect.any(Number), bytes: 2 * piece, size, blobs: 0, of: 1 },
  ])
  go()
  await pulled
  await said('n1', 'pull', '--no-unpack', reference)
  const whole = { node: 'n1', state: 'complete', percent: 100, bytes: size, size, blobs: 1, of: 1 }
  expect(await rows(digest)).toEqual([whole])
  expect(await said('n2', 'where', digest)).toBe(`n1\tcomplete\t100\t${size}\t${size}\t1/1`)

  const all = [image.manifest, image.config, ...image.layers].reduce((sum, { bytes }) => sum + bytes.length, 0)
  const everywhere = { state: 'complete', percent: 100, bytes: all, size: all, blobs: 4, of: 4 }
  expect(await rows(reference)).toEqual([{ node: 'n1', ...everywhere }])
  await said('n2', 'pull', '--no-unpack', reference)
  await said('n2', 'delete', image.layers[1]?.descriptor.digest ?? '')
  expect(await rows(reference)).toMatchObject([
    { node: 'n1', ...everywhere },
    { node: 'n2', state: 'part', percent: 99, blobs: 3, of: 4 },
  ])
})

test('what nobody has is not found', async () => {
  complaint(await nodes.node('n1').run('dist', ['where', `sha256:${'0'.repeat(64)}`]), 'not_found')
  complaint(await nodes.node('n1').run('dist', ['where', 'nobody']), 'not_found')
  complaint(await nodes.node('n1').run('dist', ['where', 'a::b']), 'invalid_argument')
})

test('an image imported on one node is pulled by its name on another, with no registry, for as long as the name is shared', async () => {
  const image = await makeImage({ layers: [[{ name: 'mine', content: 'mine' }]] })
  const name = '127.0.0.1:9/nowhere/mine:1'
  const blobs = [image.manifest, image.config, ...image.layers].map(({ descriptor, bytes }) => ({
    ...descriptor,
    content: (async function* () {
      yield bytes
    })(),
  }))
  const layout = Buffer.concat(await Array.fromAsync(writeLayout({ manifests: [image.manifest.descriptor] }, blobs)))
  const imported = await nodes.node('n1').run('dist', ['import', '--name', name], { input: layout })
  expect(imported).toEqual({ stdout: `${name}\t${image.manifest.descriptor.digest}\n`, stderr: '', exitCode: 0 })
  complaint(await nodes.node('n2').run('dist', ['pull', name]), 'unavailable')
  await said('n1', 'share', name)
  await said('n2', 'pull', name)
  expect(await snapshotTree(nodes.node('n2'), image)).toEqual(await umociTree(image))
  expect(await rows(name)).toMatchObject([
    { node: 'n1', percent: 100 },
    { node: 'n2', percent: 100 },
  ])
  await said('n2', 'unshare', name)
  complaint(await nodes.node('n2').run('dist', ['pull', name]), 'unavailable')
})

test('a name that is shared is listed, and no longer when it is left to its registry', async () => {
  const image = await makeImage({ layers: [[{ name: 'c', content: 'c' }]] })
  const name = serveImage(registry, 'shared', image)
  await said('n1', 'pull', '--no-unpack', name)
  complaint(await nodes.node('n2').run('dist', ['share', name]), 'not_found')
  const { digest } = image.manifest.descriptor
  const row = new RegExp(`^${name}\t${digest}\t\\S+Z\tshared\tn1$`, 'm')
  expect(await said('n1', 'share', name)).toMatch(row)
  expect(await said('n2', 'tags')).toMatch(row)
  expect(await said('n2', 'unshare', name)).toBe(name)
  expect(await said('n1', 'tags')).not.toMatch(row)
  complaint(await nodes.node('n1').run('dist', ['unshare', name]), 'not_found')
})
