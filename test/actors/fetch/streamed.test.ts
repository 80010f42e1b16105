import { randomBytes } from 'node:crypto'
import { expect, test } from 'vitest'
import { fetchObject, type ObjectRequest } from '../../../actors/fetch/object.ts'
import { blobOf, makeImage, pushBlob, pushImage } from '../../../ops/lab/images.ts'
import { startRegistry } from '../../../ops/lab/registry.ts'
import { bytes, type HostileRegistry, startHostileRegistry } from '../../support/hostile-registry.ts'
import { failureOf, never, openWay } from './setup.ts'

const layer = 'application/vnd.oci.image.layer.v1.tar'
const content = randomBytes(5 * 1024 * 1024 + 17)
const blob = blobOf(layer, content)
const { digest, size } = blob.descriptor
const path = `/v2/a/blobs/${digest}`

/** All of it, from a registry that answers as it is told. */
async function taken(tell: (registry: HostileRegistry) => void, request: Partial<ObjectRequest> = { descriptor: blob.descriptor }) {
  await using registry = await startHostileRegistry()
  await using way = openWay({ pieceMs: 1000 })
  tell(registry)
  const pieces: Uint8Array[] = []
  const reading = async () => {
    for await (const piece of fetchObject(way.registries, { reference: `${registry.host}/a`, ...request }, never)) pieces.push(piece.bytes)
  }
  const failure = await reading().catch((error: { code: string; message: string }) => error)
  return { failure, whole: Buffer.concat(pieces), pieces, seen: registry.seen }
}

test('a blob longer than a document may be comes from the real registry in pieces of at most 512 KiB', async () => {
  await using registry = await startRegistry()
  await using way = openWay()
  await pushBlob(registry, 'a', blob)
  const pieces = await Array.fromAsync(fetchObject(way.registries, { reference: `${registry.host}/a@${digest}` }, never))
  expect(Buffer.concat(pieces.map((piece) => piece.bytes)).equals(content)).toBe(true)
  expect(Math.max(...pieces.map((piece) => piece.bytes.length))).toBeLessThanOrEqual(512 * 1024)
})

test('cut off, it goes on at the byte it reached', async () => {
  const { failure, whole, seen } = await taken((registry) =>
    registry.on(path, bytes(content, { cutAfter: 1_000_000 }), bytes(content, { cutAfter: 200_000 }), bytes(content)),
  )
  expect(failure).toBeUndefined()
  expect(whole.equals(content)).toBe(true)
  expect(seen.length).toBeGreaterThan(1)
})

test('other bytes of the same length are data loss, said after the last', async () => {
  const other = Buffer.from(content)
  other[0] = ~(other[0] ?? 0)
  const { failure, whole } = await taken((registry) => registry.on(path, bytes(other)))
  expect(failure).toMatchObject({ code: 'data_loss', message: expect.stringMatching(/^fetch .*: the registry sent sha256:/) })
  expect(whole.equals(other)).toBe(true)
})

test('fewer bytes, and more, are data loss', async () => {
  for (const wrong of [content.subarray(1), Buffer.concat([content, content])]) {
    const { failure } = await taken((registry) => registry.on(path, bytes(wrong, { chunked: true })))
    expect(failure).toMatchObject({ code: 'data_loss' })
  }
})

test('no more is read than is taken', async () => {
  await using registry = await startHostileRegistry()
  await using way = openWay()
  const large = Buffer.alloc(64 * 1024 * 1024)
  registry.on(path, (_, response) => {
    response.writeHead(200, { 'content-length': large.length })
    const more = (at: number) => {
      if (at < large.length) response.write(large.subarray(at, at + 1024 * 1024), () => more(at + 1024 * 1024))
      else response.end()
    }
    more(0)
  })
  const descriptor = { ...blob.descriptor, size: large.length }
  let count = 0
  for await (const _ of fetchObject(way.registries, { reference: `${registry.host}/a`, descriptor }, never)) if (++count === 2) break
  // what the sockets of both sides may hold, and what waits to be taken
  expect(registry.sent).toBeLessThan(32 * 1024 * 1024)
})

test('gives up when told to', async () => {
  const stop = new AbortController()
  await using registry = await startHostileRegistry()
  await using way = openWay()
  registry.on(path, (request, response) => {
    bytes(content, { stallAfter: 700_000 })(request, response)
    setImmediate(() => stop.abort())
  })
  const request = { reference: `${registry.host}/a`, descriptor: blob.descriptor }
  expect(await failureOf(Array.fromAsync(fetchObject(way.registries, request, stop)))).toMatchObject({ code: 'cancelled' })
})

test('of a digest said to be of a blob no manifest is looked for', async () => {
  await using hostile = await startHostileRegistry()
  await using elsewhere = openWay()
  hostile.on(path, bytes(content))
  const asked = { reference: `${hostile.host}/a@${digest}`, mediaType: layer }
  const pieces = await Array.fromAsync(fetchObject(elsewhere.registries, asked, never))
  expect(Buffer.concat(pieces.map((piece) => piece.bytes)).equals(content)).toBe(true)
  expect(hostile.seen.map((one) => one.path)).toEqual([path, path])

  await using registry = await startRegistry()
  await using way = openWay()
  await pushBlob(registry, 'a', blob)
  const [first] = await Array.fromAsync(fetchObject(way.registries, { reference: `${registry.host}/a@${digest}`, mediaType: layer }, never))
  expect(first?.descriptor).toEqual({ mediaType: layer, digest, size })
})

test('a media type that is of no manifest is of no tag', async () => {
  await using registry = await startRegistry()
  await using way = openWay()
  const image = await makeImage({ layers: [[{ name: 'a', content: 'a' }]] })
  const reference = await pushImage(registry, 'a:latest', image)
  const { mediaType } = image.manifest.descriptor
  const [found] = await Array.fromAsync(fetchObject(way.registries, { reference, mediaType }, never))
  expect(found?.descriptor).toEqual(image.manifest.descriptor)
  expect(await failureOf(Array.fromAsync(fetchObject(way.registries, { reference, mediaType: layer }, never)))).toMatchObject({
    code: 'invalid_argument',
    message: expect.stringContaining('by its digest'),
  })
})
