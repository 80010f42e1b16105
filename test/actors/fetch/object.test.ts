import { describe, expect, test } from 'vitest'
import { checkDocument } from '../../../actors/fetch/declared.ts'
import { fetchObject } from '../../../actors/fetch/object.ts'
import { type Blob, blobOf, json, makeImage, pushImage } from '../../../ops/lab/images.ts'
import { startRegistry } from '../../../ops/lab/registry.ts'
import { bytes, manifest, startHostileRegistry } from '../../support/hostile-registry.ts'
import { failureOf, never, openWay } from './setup.ts'

const image = await makeImage({ layers: [[{ name: 'a', content: 'a' }]] })
const { mediaType } = image.manifest.descriptor
const index = 'application/vnd.oci.image.index.v1+json'

test('a manifest and a config are fetched from the real registry', async () => {
  await using registry = await startRegistry()
  await using way = openWay()
  const reference = await pushImage(registry, 'library/a:v1', image)
  const [found, ...rest] = await Array.fromAsync(fetchObject(way.registries, { reference }, never))
  expect(rest).toEqual([])
  expect(found?.descriptor).toEqual(image.manifest.descriptor)
  expect(Buffer.compare(found?.bytes ?? Buffer.of(), image.manifest.bytes)).toBe(0)
  const [config] = await Array.fromAsync(fetchObject(way.registries, { reference, descriptor: image.config.descriptor }, never))
  expect(Buffer.compare(config?.bytes ?? Buffer.of(), image.config.bytes)).toBe(0)
})

/** Fetch `blob` from a registry that does `behaviour` instead. */
async function fetched(
  blob: Blob,
  behaviour: Parameters<Awaited<ReturnType<typeof startHostileRegistry>>['on']>[1],
  init: Parameters<typeof openWay>[0] = {},
) {
  await using registry = await startHostileRegistry()
  await using way = openWay(init)
  for (const kind of ['manifests', 'blobs']) registry.on(`/v2/a/${kind}/${blob.descriptor.digest}`, behaviour)
  const pieces = await Array.fromAsync(fetchObject(way.registries, { reference: `${registry.host}/a`, descriptor: blob.descriptor }, never))
  return { pieces: pieces.map((piece) => piece.bytes), asked: registry.seen.length }
}

test('a large document comes in pieces of at most 512 KiB', async () => {
  const large = blobOf('application/vnd.example', Buffer.alloc(1024 * 1024 + 5, 'x'))
  const { pieces } = await fetched(large, bytes(large.bytes))
  expect(pieces.map((piece) => piece.length)).toEqual([512 * 1024, 512 * 1024, 5])
  expect(Buffer.concat(pieces).equals(large.bytes)).toBe(true)
})

test('an empty document is one empty piece', async () => {
  const empty = blobOf('application/vnd.example', Buffer.of())
  expect((await fetched(empty, bytes(empty.bytes))).pieces.map((piece) => piece.length)).toEqual([0])
})

test('a document too large by its descriptor is not asked for', async () => {
  await using registry = await startHostileRegistry()
  await using way = openWay()
  const descriptor = { ...image.manifest.descriptor, size: 4 * 1024 * 1024 + 1 }
  const failure = await failureOf(Array.fromAsync(fetchObject(way.registries, { reference: `${registry.host}/a`, descriptor }, never)))
  expect(failure.code).toBe('out_of_range')
  expect(registry.seen).toEqual([])
})

test('other bytes, more or fewer, are data loss', async () => {
  const { bytes: right } = image.manifest
  const other = Buffer.from(right)
  other[0] = 0x20
  for (const wrong of [other, Buffer.concat([right, Buffer.from(' ')]), right.subarray(1)])
    expect(await failureOf(fetched(image.manifest, manifest({ ...image.manifest, bytes: wrong })))).toMatchObject({ code: 'data_loss' })
})

test('a body without end is left at 4 MiB', async () => {
  const endless = manifest({ ...image.manifest, bytes: Buffer.alloc(5 * 1024 * 1024) }, { chunked: true })
  expect(await failureOf(fetched(image.manifest, endless))).toMatchObject({ code: 'out_of_range' })
})

test('a body cut off is asked for again, then given up as unavailable', async () => {
  expect(await failureOf(fetched(image.manifest, bytes(image.manifest.bytes, { cutAfter: 10 })))).toMatchObject({ code: 'unavailable' })
})

test('an encoding nobody asked for is refused', async () => {
  const encoded: Parameters<typeof fetched>[1] = (request, response) => {
    response.setHeader('content-encoding', 'gzip')
    bytes(image.config.bytes)(request, response)
  }
  expect(await failureOf(fetched(image.config, encoded))).toMatchObject({ code: 'unimplemented', message: expect.stringContaining('gzip') })
})

describe('a document is what it is declared as', () => {
  const check = (mediaType: string, value: unknown) => () =>
    checkDocument(mediaType, Buffer.from(typeof value === 'string' ? value : JSON.stringify(value)), 'fetch x')
  test('a sound one passes, and so does what is neither manifest nor index', () => {
    expect(check(mediaType, { config: {}, layers: [] })).not.toThrow()
    expect(check(index, { manifests: [], mediaType: index })).not.toThrow()
    expect(check('application/vnd.example', 'anything')).not.toThrow()
  })
  test.each([
    ['a manifest with manifests', mediaType, { manifests: [] }, 'data_loss'],
    ['a manifest that calls itself an index', mediaType, { mediaType: index }, 'data_loss'],
    ['an index with a config', index, { manifests: [], config: {} }, 'data_loss'],
    ['an index with layers', index, { layers: [] }, 'data_loss'],
    ['an index that calls itself a manifest', index, { mediaType }, 'data_loss'],
    ['an index of no media type one can read', index, { mediaType: 7 }, 'data_loss'],
    ['schema 1', mediaType, { fsLayers: [] }, 'unimplemented'],
    ['a list', mediaType, [], 'data_loss'],
    ['no JSON', mediaType, '<html>', 'data_loss'],
  ])('%s is refused', (_, declared, value, code) => {
    expect(check(declared, value)).toThrow(expect.objectContaining({ code, message: expect.stringMatching(/^fetch x: it is /) }))
  })
  test('a document that is not is refused by the fetch', async () => {
    const liar = json(mediaType, { manifests: [], config: {}, layers: [] })
    expect(await failureOf(fetched(liar, manifest(liar)))).toMatchObject({ code: 'data_loss' })
  })
})

test('a fetch gives up when told to', async () => {
  await using registry = await startHostileRegistry()
  await using way = openWay()
  const controller = new AbortController()
  registry.on(`/v2/a/manifests/${image.manifest.descriptor.digest}`, (request, response) => {
    bytes(image.manifest.bytes, { stallAfter: 10 })(request, response)
    controller.abort()
  })
  const work = Array.fromAsync(
    fetchObject(way.registries, { reference: `${registry.host}/a`, descriptor: image.manifest.descriptor }, controller),
  )
  expect((await failureOf(work)).code).toBe('cancelled')
})
