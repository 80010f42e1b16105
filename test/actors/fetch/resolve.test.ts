import { describe, expect, test } from 'vitest'
import { resolve } from '../../../actors/fetch/resolve.ts'
import type { Failure } from '../../../messages/grammar/index.ts'
import { blobOf, here, type Image, makeImage, makeIndex, pushImage } from '../../../ops/lab/images.ts'
import { startRegistry } from '../../../ops/lab/registry.ts'
import { bytes, manifest, startHostileRegistry, status } from '../../support/hostile-registry.ts'
import { failureOf, never, openWay } from './setup.ts'

const image: Image = await makeImage({ layers: [[{ name: 'a', content: 'a' }]] })
const { descriptor } = image.manifest

describe('against the real registry', () => {
  test('a tag, a digest and an index are resolved to what was pushed', async () => {
    await using registry = await startRegistry()
    await using way = openWay()
    await pushImage(registry, 'library/a:v1', image)
    const index = makeIndex([{ platform: here, image }])
    await pushImage(registry, 'library/a:all', index)
    const at = `${registry.host}/library/a`
    expect(await resolve(way.registries, { reference: `${at}:v1` }, never)).toEqual({ name: `${at}:v1`, descriptor })
    expect(await resolve(way.registries, { reference: `${at}@${descriptor.digest}` }, never)).toEqual({
      name: `${at}@${descriptor.digest}`,
      descriptor,
    })
    expect((await resolve(way.registries, { reference: `${at}:all` }, never)).descriptor).toEqual(index.manifest.descriptor)
  })

  test('what is not there is not found, and the message says where', async () => {
    await using registry = await startRegistry()
    await using way = openWay()
    const { code, message } = await failureOf(resolve(way.registries, { reference: `${registry.host}/none:x` }, never))
    expect(code).toBe('not_found')
    expect(message).toBe(`resolve ${registry.host}/none:x: HEAD ${registry.url}/v2/none/manifests/x answered 404`)
  })
})

describe('against a registry that behaves badly', () => {
  const ask = async (
    path: string,
    ...behaviours: Parameters<Awaited<ReturnType<typeof startHostileRegistry>>['on']> extends [string, ...infer B] ? B : never
  ) => {
    await using registry = await startHostileRegistry()
    await using way = openWay()
    registry.on(`/v2/a/manifests/${path}`, ...behaviours)
    const reference = path.startsWith('sha256:') ? `${registry.host}/a@${path}` : `${registry.host}/a:${path}`
    const result = await resolve(way.registries, { reference }, never).catch((error: unknown) => error)
    return {
      result,
      seen: registry.seen.map(({ method, path }) => `${method} ${path}`),
      accept: registry.seen[0]?.headers.accept,
      sent: registry.sent,
    }
  }
  const found = expect.objectContaining({ descriptor })
  const failed = (code: string, message: unknown = expect.any(String)) => expect.objectContaining({ code, message })

  test('every kind of manifest is accepted', async () => {
    const { accept } = await ask('v1', manifest(image.manifest))
    expect(accept).toContain('application/vnd.oci.image.index.v1+json')
    expect(accept).toContain('application/vnd.docker.distribution.manifest.v2+json')
  })

  test('parameters of the media type are taken off', async () => {
    expect((await ask('v1', manifest(image.manifest, { type: `${descriptor.mediaType}; charset=utf-8` }))).result).toEqual(found)
  })

  test('a digest or a length that HEAD leaves out is found by reading', async () => {
    const noDigest = await ask('v1', manifest(image.manifest, { digest: '' }))
    expect(noDigest.result).toEqual(found)
    expect(noDigest.seen).toEqual(['HEAD /v2/a/manifests/v1', 'GET /v2/a/manifests/v1'])
    expect((await ask('v1', manifest(image.manifest, { chunked: true }))).result).toEqual(found)
    expect((await ask('v1', manifest(image.manifest, { digest: 'sha256:123' }))).result).toEqual(found)
  })

  test('a registry without HEAD is asked with GET', async () => {
    const { result, seen } = await ask('v1', status(405), manifest(image.manifest))
    expect(result).toEqual(found)
    expect(seen).toEqual(['HEAD /v2/a/manifests/v1', 'GET /v2/a/manifests/v1'])
  })

  test('a 403 is asked once more for its reason', async () => {
    const { result } = await ask('v1', status(403, { errors: [{ code: 'DENIED', message: 'not\u001b[31m you\nat all' }] }))
    expect(result).toEqual(failed('permission_denied', expect.stringMatching(/GET .* answered 403 \(DENIED: not \[31m you at all\)$/)))
  })

  test('the digest in a reference is never overruled by a header', async () => {
    const other = `sha256:${'1'.repeat(64)}`
    const { result } = await ask(descriptor.digest, manifest(image.manifest, { digest: other }))
    expect(result).toEqual(found)
  })

  test('a document that is not what its digest says is data loss', async () => {
    const other = `sha256:${'1'.repeat(64)}`
    expect((await ask(other, manifest(image.manifest, { chunked: true }))).result).toEqual(
      failed('data_loss', expect.stringContaining(`sent ${descriptor.digest} as ${other}`)),
    )
    expect((await ask('v1', manifest(image.manifest, { digest: other, chunked: true }))).result).toEqual(failed('data_loss'))
  })

  test('a manifest over 4 MiB is refused, announced or not', async () => {
    const large = blobOf(descriptor.mediaType, Buffer.alloc(4 * 1024 * 1024 + 1, ' '))
    const announced = await ask('v1', manifest(large))
    expect(announced.result).toEqual(failed('out_of_range'))
    expect(announced.sent).toBe(0)
    expect((await ask('v1', manifest(large, { chunked: true }))).result).toEqual(failed('out_of_range'))
  })

  test('what is no manifest is refused', async () => {
    for (const type of ['text/html; charset=utf-8', 'text/plain', 'application/vnd.docker.distribution.manifest.v1+prettyjws', ''])
      expect((await ask('v1', manifest(image.manifest, { type }))).result).toEqual(
        failed('unimplemented', expect.stringContaining('neither a manifest nor an index')),
      )
  })

  test('a digest that is no manifest is resolved to the blob', async () => {
    await using registry = await startHostileRegistry()
    await using way = openWay()
    const { digest, size } = image.config.descriptor
    registry.on(`/v2/a/blobs/${digest}`, bytes(image.config.bytes))
    const found = await resolve(way.registries, { reference: `${registry.host}/a@${digest}` }, never)
    expect(found.descriptor).toEqual({ mediaType: 'application/octet-stream', digest, size })
  })

  test('only a 404 of the manifest makes it look for a blob', async () => {
    const digest = image.config.descriptor.digest
    const { result, seen } = await ask(digest, status(503))
    expect(result).toEqual(failed('unavailable'))
    expect(seen.every((one) => one.startsWith(`HEAD /v2/a/manifests/${digest}`))).toBe(true)
  })

  test.each([
    [401, 'unauthenticated'],
    [403, 'permission_denied'],
    [404, 'not_found'],
    [418, 'invalid_argument'],
    [429, 'resource_exhausted'],
    [500, 'unavailable'],
    [304, 'unimplemented'],
  ])('a %i is %s', async (code, expected) => {
    expect((await ask('v1', status(code))).result).toEqual(
      failed(expected, expect.stringMatching(new RegExp(`^resolve 127.*/a:v1: .* ${code === 401 ? 'refuses' : `answered ${code}`}`))),
    )
  })

  test('a registry that fails once and then works is asked again', async () => {
    expect((await ask('v1', status(503), status(429), manifest(image.manifest))).result).toEqual(found)
  })
})

test.each([
  ['7', (ms: unknown) => ms === 7000],
  [new Date(Date.now() + 3_600_000).toUTCString(), (ms: unknown) => typeof ms === 'number' && ms > 3_500_000 && ms <= 3_600_000],
  [new Date(0).toUTCString(), (ms: unknown) => ms === 0],
  ['soon', (ms: unknown) => ms === undefined],
])('a registry that says to come back after %j is understood', async (header, right) => {
  await using registry = await startHostileRegistry()
  registry.on('/v2/a/manifests/v1', status(429, undefined, { 'retry-after': header }))
  await using way = openWay({ retry: (work) => work() })
  const error = await resolve(way.registries, { reference: `${registry.host}/a:v1` }, never).catch((error: unknown) => error)
  expect(error).toMatchObject({ code: 'resource_exhausted' })
  expect(right((error as Failure).details?.['retryAfterMs'])).toBe(true)
})

test('what cannot be reached is unavailable', async () => {
  const gone = await startHostileRegistry()
  await gone[Symbol.asyncDispose]()
  await using way = openWay()
  const { code, message } = await failureOf(resolve(way.registries, { reference: `${gone.host}/a:v1` }, never))
  expect(code).toBe('unavailable')
  expect(message).toMatch(/^resolve .*: HEAD http:.*: connect ECONNREFUSED/)
})

test('a host nobody knows is unavailable', async () => {
  await using way = openWay()
  const { code, message } = await failureOf(resolve(way.registries, { reference: 'no-such-host.invalid/a:v1' }, never))
  expect(code).toBe('unavailable')
  expect(message).toMatch(/^resolve no-such-host.invalid\/a:v1: HEAD https:\/\/no-such-host.invalid\/.*getaddrinfo/)
})

test('a registry that says nothing is given up in time', async () => {
  await using registry = await startHostileRegistry()
  registry.on('/v2/a/manifests/v1', () => {})
  await using way = openWay({ headersMs: 100 })
  const { code } = await failureOf(resolve(way.registries, { reference: `${registry.host}/a:v1` }, never))
  expect(code).toBe('deadline_exceeded')
})

test('resolve gives up when told to', async () => {
  await using registry = await startHostileRegistry()
  const controller = new AbortController()
  registry.on('/v2/a/manifests/v1', () => controller.abort())
  await using way = openWay()
  const { signal } = controller
  expect((await failureOf(resolve(way.registries, { reference: `${registry.host}/a:v1` }, { signal }))).code).toBe('cancelled')
  expect((await failureOf(resolve(way.registries, { reference: `${registry.host}/a:v1` }, { signal }))).code).toBe('cancelled')
  expect(registry.seen.length).toBe(1)
})

test('a reference that is none is refused', async () => {
  await using way = openWay()
  for (const reference of ['http://127.0.0.1/a', 'a b', '127.0.0.1:1/', '127.0.0.1:99999/a'])
    expect((await failureOf(resolve(way.registries, { reference }, never))).code).toBe('invalid_argument')
})
