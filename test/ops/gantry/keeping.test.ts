import { afterAll, beforeAll, expect, test, vi } from 'vitest'
import { chainIds } from '../../../messages/words/index.ts'
import { busyboxImage, type Image, makeImage } from '../../../ops/lab/images.ts'
import { complaint } from '../../support/complaint.ts'
import { type HostileRegistry, startHostileRegistry } from '../../support/hostile-registry.ts'
import { type Program, type RunningNode, startNode } from '../../support/node.ts'
import { serveImage } from '../../support/served-image.ts'

// a machine that is busy starts processes slowly
vi.setConfig({ testTimeout: 60_000 })

const scope = new AsyncDisposableStack()
let registry: HostileRegistry
let node: RunningNode

beforeAll(async () => {
  registry = scope.use(await startHostileRegistry())
  node = scope.use(await startNode())
})
afterAll(() => scope.disposeAsync())

async function said(program: Program, ...args: string[]): Promise<string> {
  const { stdout, stderr, exitCode } = await node.run(program, args)
  expect({ args, stderr, exitCode }).toEqual({ args, stderr: '', exitCode: 0 })
  return stdout.trimEnd()
}
const lines = async (program: Program, ...args: string[]): Promise<string[][]> =>
  (await said(program, ...args))
    .split('\n')
    .filter(Boolean)
    .map((line) => line.split('\t'))
const digestsOf = (image: Image): string[] => [image.manifest, image.config, ...image.layers].map(({ descriptor }) => descriptor.digest)
const blobs = async (): Promise<string[]> => (await said('dist', 'list', '-q')).split('\n')
const collected = async (): Promise<void> => void (await said('gantry', 'gc'))

test('a blob of an image is kept by the image, and goes with it', async () => {
  const image = await makeImage({ layers: [[{ name: 'a', content: 'kept' }]] })
  const reference = serveImage(registry, 'kept', image)
  await said('dist', 'pull', reference)
  const [, , layer = ''] = digestsOf(image)
  expect((await lines('gantry', 'why', layer)).slice(0, 2)).toEqual([
    ['image', reference, expect.any(String)],
    ['content', layer, expect.any(String)],
  ])
  expect(JSON.parse(await said('gantry', 'why', '--json', layer))).toMatchObject({ kept: true, thing: { kind: 'content', key: layer } })
  const [chain = ''] = chainIds(image.layers.map(({ diffId }) => diffId))
  expect((await lines('gantry', 'why', '--kind', 'snapshot', chain)).at(-1)?.slice(0, 2)).toEqual(['snapshot', `overlay/${chain}`])
  // it is kept for what it is, however long ago it was made: no plan ever has it
  expect(await lines('gantry', 'why', reference)).toEqual([['image', reference, 'it is an image']])
  expect((await lines('gantry', 'gc', '--plan', '--at', '3650d')).filter(([kind]) => kind === 'image')).toEqual([])

  await collected()
  expect(await blobs()).toEqual(expect.arrayContaining(digestsOf(image)))
  expect(await said('dist', 'rmi', '--sync', reference)).toBe(reference)
  for (const digest of digestsOf(image)) expect(await blobs()).not.toContain(digest)
  expect(await said('ctr', 'snapshots', 'ls')).not.toContain(chain)
  complaint(await node.run('gantry', ['why', layer]), 'not_found')
})

test('what was made under no lease goes a day later, and a plan says so', async () => {
  const digest = (await node.run('dist', ['ingest', 'unleased'], { input: 'unleased' })).stdout.trim()
  expect(await lines('gantry', 'gc', '--plan')).toEqual([])
  expect((await lines('gantry', 'gc', '--plan', '--at', '48h')).map(([kind, key]) => [kind, key])).toContainEqual(['content', digest])
  const later = new Date(Date.now() + 48 * 3_600_000).toISOString()
  expect(await said('gantry', 'gc', '--plan', '--at', later, '--json')).toContain(digest)
  expect((await lines('gantry', 'why', digest)).at(-1)).toEqual(['content', digest, expect.stringMatching(/until \d{4}-/)])
  await collected()
  expect(await blobs()).toContain(digest)
})

test('a lease is made, holds, is listed, and ends', async () => {
  expect(await said('ctr', 'leases', 'create', 'mine', '--expires', '1h', '--label', 'of=me')).toBe('mine')
  const made = await said('ctr', 'leases', 'create', '--expires', '0')
  expect((await lines('ctr', 'leases', 'ls', '--filter', 'labels.of==me')).map(([id, , , labels]) => [id, labels])).toEqual([
    ['mine', 'of=me'],
  ])
  expect((await said('ctr', 'leases', 'ls', '-q')).split('\n')).toEqual(expect.arrayContaining(['mine', made]))

  const leased = (await node.run('dist', ['ingest', '--lease', 'mine', 'leased'], { input: 'leased' })).stdout.trim()
  const added = (await node.run('dist', ['ingest', 'added'], { input: 'added' })).stdout.trim()
  await said('ctr', 'leases', 'add', 'mine', added)
  for (const digest of [leased, added])
    expect(await lines('gantry', 'why', digest)).toContainEqual(['lease', 'mine', expect.stringMatching(/^until /)])
  await collected()
  expect(await blobs()).toEqual(expect.arrayContaining([leased, added]))

  expect(await said('ctr', 'leases', 'rm', '--sync', 'mine', made)).toBe(`mine\n${made}`)
  expect(await blobs()).not.toContain(leased)
  expect(JSON.parse(await said('gantry', 'gc', '--json'))).toMatchObject({ collected: 0, failed: 0 })
})

test('a container keeps its snapshot and what it is made of', async () => {
  const image = await busyboxImage()
  const reference = serveImage(registry, 'held', image)
  await said('dist', 'pull', reference)
  await said('ctr', 'run', '--id', 'holder', reference, 'true')
  await said('dist', 'rmi', '--sync', reference)
  const [chain = ''] = chainIds(image.layers.map(({ diffId }) => diffId))
  expect((await lines('gantry', 'why', chain)).map(([kind, key]) => [kind, key]).slice(-2)).toEqual([
    ['snapshot', 'overlay/holder'],
    ['snapshot', `overlay/${chain}`],
  ])
  expect((await lines('gantry', 'why', '--kind', 'container', 'holder'))[0]?.slice(0, 2)).toEqual(['container', 'holder'])
  await said('ctr', 'containers', 'rm', 'holder')
  await collected()
  complaint(await node.run('gantry', ['why', chain]), 'not_found')
})

test('bad words are one line and an exit code by class', async () => {
  const failing = async (program: Program, ...args: string[]) => await node.run(program, args)
  complaint(await failing('gantry', 'why', 'nobody:knows'), 'not_found')
  complaint(await failing('gantry', 'gc', '--at', '1h'), 'invalid_argument')
  complaint(await failing('gantry', 'gc', '--plan', '--at', 'soon'), 'invalid_argument')
  complaint(await failing('ctr', 'leases', 'create', 'no/id'), 'invalid_argument')
  complaint(await failing('ctr', 'leases', 'rm', 'none'), 'not_found')
  complaint(await failing('ctr', 'leases', 'add', 'none', `sha256:${'0'.repeat(64)}`), 'not_found')
  complaint(await failing('ctr', 'leases', 'add', 'none', 'nonsense'), 'invalid_argument')
  await said('ctr', 'leases', 'create', 'taken')
  complaint(await failing('ctr', 'leases', 'create', 'taken'), 'already_exists')
})
