import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { chmod, writeFile } from 'node:fs/promises'
import { buffer } from 'node:stream/consumers'
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest'
import { blobOf, here, makeImage, makeIndex, pushImage } from '../../../ops/lab/images.ts'
import { type Registry, startRegistry } from '../../../ops/lab/registry.ts'
import { complaint } from '../../support/complaint.ts'
import { bytes, type HostileRegistry, manifest, startHostileRegistry, status } from '../../support/hostile-registry.ts'
import { begin, command, type RunningNode, startNode } from '../../support/node.ts'
import { blobPath, manifestPath, serveImage } from '../../support/served-image.ts'

const scope = new AsyncDisposableStack()
let registry: Registry
let node: RunningNode

beforeAll(async () => {
  registry = scope.use(await startRegistry())
  node = scope.use(await startNode({ args: ['--only', 'node', 'content', 'ingest', 'fetch'] }))
})
afterAll(() => scope.disposeAsync())

let hostile: HostileRegistry
beforeEach(async () => {
  const one = await startHostileRegistry()
  hostile = one
  return () => one[Symbol.asyncDispose]()
})

/** As `node.run`, with the bytes it prints as they are. */
async function printed(...args: string[]): Promise<Buffer> {
  const env = { ...process.env, GANTRY_ROOT: node.root }
  const child = spawn(command('dist'), ['fetch-object', ...args], { stdio: ['ignore', 'pipe', 'inherit'], env })
  const [said, [code]] = await Promise.all([buffer(child.stdout), once(child, 'exit')])
  expect(code).toBe(0)
  return said
}
const failing = (...args: string[]) => node.run('dist', ['fetch-object', ...args])

const noise = (size: number): Buffer => Buffer.from(Array.from({ length: size / 4 }, (_, at) => at * 7919).map((word) => word & 0xff))
const image = await makeImage({ layers: [[{ name: 'a', content: 'a' }]] })
const layer = blobOf('application/vnd.oci.image.layer.v1.tar', Buffer.concat([noise(4), Buffer.alloc(6 * 1024 * 1024, 'x')]))
const large = await makeImage({ layers: [{ ...layer, diffId: layer.descriptor.digest }] })

test('a manifest, an index, a config and a layer are printed as the registry has them, and nothing is stored', async () => {
  const index = makeIndex([{ platform: here, image }])
  const [one, several, big] = [
    await pushImage(registry, 'one:latest', image),
    await pushImage(registry, 'several:latest', index),
    await pushImage(registry, 'big:latest', large),
  ]
  expect((await printed(one)).equals(image.manifest.bytes)).toBe(true)
  expect((await printed(several)).equals(index.manifest.bytes)).toBe(true)
  for (const { descriptor, bytes: right } of [image.manifest, image.config, ...image.layers])
    expect((await printed(`${registry.host}/one@${descriptor.digest}`)).equals(right)).toBe(true)
  expect((await printed(big.replace(/:latest$/, `@${layer.descriptor.digest}`))).equals(layer.bytes)).toBe(true)
  expect(await node.run('dist', ['list', '-q'])).toEqual({ stdout: '', stderr: '', exitCode: 0 })
})

test('the registry is asked for the media type hinted at', async () => {
  const reference = serveImage(hostile, 'a', image)
  const { mediaType } = image.manifest.descriptor
  expect((await printed('--mediatype', mediaType, reference)).equals(image.manifest.bytes)).toBe(true)
  expect(hostile.seen.map(({ headers }) => headers.accept)).toEqual([mediaType, mediaType])
  const { descriptor, bytes: right } = image.config
  await printed('--mediatype', descriptor.mediaType, `${hostile.host}/a@${descriptor.digest}`)
  expect(hostile.seen.slice(2).map(({ path }) => path)).toEqual([blobPath('a', descriptor.digest), blobPath('a', descriptor.digest)])
  expect(right.length).toBeGreaterThan(0)
  expect(complaint(await failing('--mediatype', 'text/html', reference), 'invalid_argument')).toContain('text/html')
})

test('of a digest that is here the registry is not asked, unless that is wanted', async () => {
  const { descriptor, bytes: right } = large.layers[0] ?? layer
  const reference = `${hostile.host}/a@${descriptor.digest}`
  hostile.on(blobPath('a', descriptor.digest), bytes(right))
  expect(await node.run('dist', ['ingest', 'layer'], { input: right })).toMatchObject({ exitCode: 0 })
  expect((await printed(reference)).equals(right)).toBe(true)
  expect(hostile.seen).toEqual([])
  expect((await printed('--registry', reference)).equals(right)).toBe(true)
  expect(hostile.seen.length).toBeGreaterThan(0)
})

test('a blob that is damaged here is printed, and then said to be', async () => {
  const right = Buffer.alloc(1_500_000, 'right')
  const digest = (await node.run('dist', ['ingest', 'damaged'], { input: right })).stdout.trim()
  const path = (await node.run('dist', ['path', '-q', digest])).stdout.trim()
  await chmod(path, 0o600)
  await writeFile(path, Buffer.alloc(1_500_000, 'wrong'))
  const ran = await failing(`${hostile.host}/a@${digest}`)
  expect(complaint(ran, 'data_loss')).toContain(digest)
  expect(ran.stdout).toHaveLength(1_500_000)
})

test('a large blob that the registry has wrong is printed, and then said to be; a small one is not printed', async () => {
  const wrong = Buffer.alloc(layer.bytes.length, 'y')
  hostile.on(blobPath('b', layer.descriptor.digest), bytes(wrong))
  const ran = await failing('--registry', `${hostile.host}/b@${layer.descriptor.digest}`)
  expect(complaint(ran, 'data_loss')).toContain(layer.descriptor.digest)
  expect(ran.stdout).toHaveLength(wrong.length)

  const { digest } = image.config.descriptor
  hostile.on(blobPath('b', digest), bytes(Buffer.alloc(image.config.bytes.length, 'y')))
  expect(await failing(`${hostile.host}/b@${digest}`)).toMatchObject({ stdout: '', exitCode: 13 })
  hostile.on(manifestPath('b', 'latest'), manifest(image.manifest))
  hostile.on(manifestPath('b', image.manifest.descriptor.digest), bytes(Buffer.alloc(image.manifest.bytes.length, ' ')))
  expect(await failing(`${hostile.host}/b:latest`)).toMatchObject({ stdout: '', exitCode: 13 })
})

test.each([
  ['a::b', 'invalid_argument'],
  ['a@sha256:00', 'invalid_argument'],
  ['https://a/b', 'invalid_argument'],
] as const)('%s is refused', async (reference, code) => {
  complaint(await failing(reference), code)
})

test('what the registry has not, or does not give, is one line and an exit code by class', async () => {
  expect(complaint(await failing(`${hostile.host}/none:latest`), 'not_found')).toContain('/none:latest')
  expect(complaint(await failing(`${hostile.host}/none@sha256:${'0'.repeat(64)}`), 'not_found')).toContain('/none@sha256:')
  hostile.on(manifestPath('secret', 'latest'), status(401))
  complaint(await failing(`${hostile.host}/secret:latest`), 'unauthenticated')
  hostile.on(manifestPath('secret', 'latest'), status(403))
  complaint(await failing(`${hostile.host}/secret:latest`), 'permission_denied')
})

test('nobody reading any more ends it at once and without a word', async () => {
  hostile.on(blobPath('c', layer.descriptor.digest), bytes(layer.bytes))
  const { child, ran } = begin('dist', ['fetch-object', '--registry', `${hostile.host}/c@${layer.descriptor.digest}`], {
    env: { GANTRY_ROOT: node.root },
  })
  child.stdout.once('data', () => child.stdout.destroy())
  expect((await ran.catch(() => once(child, 'exit'))) && child.exitCode).toBe(141)
})
