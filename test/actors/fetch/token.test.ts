import { expect, test } from 'vitest'
import { parseChallenges } from '../../../actors/fetch/challenge.ts'
import { readDocument } from '../../../actors/fetch/document.ts'
import { resolve } from '../../../actors/fetch/resolve.ts'
import { openTokens } from '../../../actors/fetch/token.ts'
import type { Transport } from '../../../actors/fetch/transport.ts'
import { Failure } from '../../../messages/grammar/index.ts'
import { makeImage } from '../../../ops/lab/images.ts'
import {
  bytes,
  challenge,
  guarded,
  type HostileRegistry,
  manifest,
  redirect,
  startHostileRegistry,
  status,
} from '../../support/hostile-registry.ts'
import { failureOf, never, openWay } from './setup.ts'

const image = await makeImage({ layers: [[{ name: 'a', content: 'a' }]] })
const paths = (registry: HostileRegistry) => registry.seen.map(({ path }) => path.split('?')[0])
const authorizations = (registry: HostileRegistry) => registry.seen.map(({ headers }) => headers.authorization)

/** A registry that wants a token for repository `a`, which it gives to everyone. */
async function startGuarded(answer: unknown = { token: 't1', expires_in: 300 }) {
  const registry = await startHostileRegistry()
  const bearer = challenge(`Bearer realm="${registry.url}/token",service="s",scope="repository:a:pull"`)
  registry.on('/v2/a/manifests/v1', guarded('t1', manifest(image.manifest), bearer))
  registry.on(`/v2/a/blobs/${image.config.descriptor.digest}`, guarded('t1', bytes(image.config.bytes), bearer))
  registry.on('/token', status(200, answer))
  const reference = { host: registry.host, repository: 'a' }
  return { registry, reference, text: `${registry.host}/a:v1`, [Symbol.asyncDispose]: () => registry[Symbol.asyncDispose]() }
}

test('challenges are read, commas in quotes and all', () => {
  const header = 'Bearer realm="https://x/t",service="a, b",scope="repository:a:pull,push" , Basic realm="q\\"r", Negotiate'
  expect(parseChallenges(header)).toEqual([
    { scheme: 'bearer', parameters: { realm: 'https://x/t', service: 'a, b', scope: 'repository:a:pull,push' } },
    { scheme: 'basic', parameters: { realm: 'q"r' } },
    { scheme: 'negotiate', parameters: {} },
  ])
  expect(parseChallenges(undefined)).toEqual([])
  expect(parseChallenges('realm="no scheme"')).toEqual([])
  expect(parseChallenges(['Basic realm=x', 'Bearer realm=y'])).toHaveLength(2)
})

test('a token is fetched when asked for, and kept for the repository', async () => {
  await using guarded = await startGuarded()
  await using way = openWay()
  expect((await resolve(way.registries, { reference: guarded.text }, never)).descriptor).toEqual(image.manifest.descriptor)
  await readDocument(way.registries, { reference: guarded.reference, descriptor: image.config.descriptor }, never)
  expect(paths(guarded.registry)).toEqual([
    '/v2/a/manifests/v1',
    '/token',
    '/v2/a/manifests/v1',
    `/v2/a/blobs/${image.config.descriptor.digest}`,
  ])
  expect(authorizations(guarded.registry)).toEqual([undefined, undefined, 'Bearer t1', 'Bearer t1'])
  expect(guarded.registry.seen[1]?.path).toBe('/token?service=s&scope=repository%3Aa%3Apull')
})

test('those who need a token at the same time share one request for it', async () => {
  await using guarded = await startGuarded()
  await using way = openWay()
  await Promise.all(Array.from({ length: 5 }, () => resolve(way.registries, { reference: guarded.text }, never)))
  expect(paths(guarded.registry).filter((path) => path === '/token')).toHaveLength(1)
})

test('a token that could not be had is asked for again the next time', async () => {
  await using guarded = await startGuarded()
  await using way = openWay()
  guarded.registry.on('/token', status(404), status(200, { token: 't1' }))
  expect(await failureOf(resolve(way.registries, { reference: guarded.text }, never))).toMatchObject({ code: 'not_found' })
  await resolve(way.registries, { reference: guarded.text }, never)
})

test('a token that ran out is fetched anew', async () => {
  await using guarded = await startGuarded({ access_token: 't1' })
  let now = 0
  await using way = openWay({ now: () => now })
  await resolve(way.registries, { reference: guarded.text }, never)
  now = 61_000
  await resolve(way.registries, { reference: guarded.text }, never)
  expect(paths(guarded.registry).filter((path) => path === '/token')).toHaveLength(2)
})

test('a token that is refused is not tried again and again', async () => {
  await using guarded = await startGuarded({ token: 'wrong' })
  await using way = openWay()
  expect(await failureOf(resolve(way.registries, { reference: guarded.text }, never))).toMatchObject({ code: 'unauthenticated' })
  expect(paths(guarded.registry)).toEqual(['/v2/a/manifests/v1', '/token', '/v2/a/manifests/v1'])
})

test.each([
  ['Basic realm="x"', 'asks for basic credentials, and there are none'],
  ['Bearer service="x"', 'sends for a token to nowhere'],
  ['Bearer realm="ftp://x/token"', 'sends for a token to'],
  ['', 'refuses without saying what it asks for'],
])('%s cannot be met', async (header, why) => {
  await using registry = await startHostileRegistry()
  registry.on('/v2/a/manifests/v1', challenge(header))
  await using way = openWay()
  const { code, message } = await failureOf(resolve(way.registries, { reference: `${registry.host}/a:v1` }, never))
  expect(code).toBe('unauthenticated')
  expect(message).toContain(why)
  expect(message).not.toContain('\n')
})

test.each([[{}], [{ token: 7 }], ['no object'], [{ token: 'a\r\nb: c' }]])('a token answer of %j is none', async (answer) => {
  await using guarded = await startGuarded(answer)
  await using way = openWay()
  expect(await failureOf(resolve(way.registries, { reference: guarded.text }, never))).toMatchObject({
    code: 'unauthenticated',
    message: expect.stringContaining('for a token: the answer has none'),
  })
})

test.each([
  [401, 'unauthenticated'],
  [403, 'permission_denied'],
  [429, 'resource_exhausted'],
  [503, 'unavailable'],
  [307, 'unimplemented'],
] as const)('a token server that answers %i is %s, and what it is asked with is not told', async (code, expected) => {
  await using guarded = await startGuarded()
  await using way = openWay()
  const realm = `${guarded.registry.url.replace('//', '//somebody:hunter2@')}/token?key=hunter2`
  guarded.registry.on('/v2/a/manifests/v1', challenge(`Bearer realm="${realm}"`))
  guarded.registry.on('/token', status(code, undefined, { location: 'http://127.0.0.1:1/' }))
  const failure = await failureOf(resolve(way.registries, { reference: guarded.text }, never))
  expect(failure.code).toBe(expected)
  expect(failure.message).toBe(`resolve ${guarded.text}: GET ${guarded.registry.url}/token?… answered ${code}`)
})

test('a token server nobody answers at is unavailable', async () => {
  await using guarded = await startGuarded()
  await using way = openWay()
  guarded.registry.on('/v2/a/manifests/v1', challenge('Bearer realm="http://127.0.0.1:1/token"'))
  expect(await failureOf(resolve(way.registries, { reference: guarded.text }, never))).toEqual({
    code: 'unavailable',
    message: expect.stringContaining('GET http://127.0.0.1:1/token?…: connect ECONNREFUSED 127.0.0.1:1'),
  })
})

test('of a token answer that does not end no more is read than a token may take', async () => {
  await using guarded = await startGuarded()
  await using way = openWay()
  guarded.registry.on('/token', bytes(Buffer.alloc(8 << 20, ' '), { chunked: true }))
  expect(await failureOf(resolve(way.registries, { reference: guarded.text }, never))).toMatchObject({
    code: 'out_of_range',
    message: expect.stringMatching(/ask \S+\/token\?… for a token: longer than the 262144 bytes allowed$/),
  })
})

test('gives up when told to while it waits for a token; the others who wait get theirs', async () => {
  await using guarded = await startGuarded()
  await using way = openWay()
  const [asked, answered] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()]
  guarded.registry.on('/token', (request, response) => {
    asked.resolve()
    void answered.promise.then(() => status(200, { token: 't1' })(request, response))
  })
  const caller = new AbortController()
  const given = failureOf(resolve(way.registries, { reference: guarded.text }, { signal: caller.signal }))
  await asked.promise
  const other = resolve(way.registries, { reference: guarded.text }, never)
  caller.abort()
  expect(await given).toMatchObject({
    code: 'cancelled',
    message: expect.stringMatching(/^resolve .*: ask \S+\/token\?… for a token: the caller gave up$/),
  })
  answered.resolve()
  expect((await other).descriptor).toEqual(image.manifest.descriptor)
})

test('when everybody gave up, the request for a token is closed', async () => {
  await using guarded = await startGuarded()
  await using way = openWay()
  const [asked, closed] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()]
  guarded.registry.on('/token', (_request, response) => {
    response.on('close', closed.resolve)
    asked.resolve()
  })
  const caller = new AbortController()
  const given = failureOf(resolve(way.registries, { reference: guarded.text }, { signal: caller.signal }))
  await asked.promise
  caller.abort()
  expect(await given).toMatchObject({
    code: 'cancelled',
    message: expect.stringMatching(/^resolve .*: ask \S+\/token\?… for a token: the caller gave up$/),
  })
  await closed.promise
})

test.each([
  ['https://registry.example', 'http://auth.example/token', true],
  ['https://registry.example', 'http://127.0.0.1:5001/token', true],
  ['https://registry.example', 'https://auth.example/token', false],
  ['http://127.0.0.1:5000', 'http://127.0.0.1:5001/token', false],
  ['http://127.0.0.1:5000', 'https://auth.example/token', false],
])('for %s a token from %s is refused: %s', async (origin, realm, refused) => {
  const asked: string[] = []
  const transport: Transport = {
    send: async ({ url }) => {
      asked.push(url.href)
      throw new Failure('unavailable', 'it was asked')
    },
    [Symbol.asyncDispose]: async () => {},
  }
  const challenges = parseChallenges(`Bearer realm="${realm}"`)
  const options = { refused: undefined, attempted: 'resolve x', ...never }
  const { code } = await failureOf(
    openTokens({ transport, now: Date.now }).obtain({ origin, scope: 'repository:x:pull' }, challenges, options),
  )
  expect(code).toBe(refused ? 'unauthenticated' : 'unavailable')
  expect(asked).toEqual(refused ? [] : [`${realm}?scope=repository%3Ax%3Apull`])
})

test('tokens are of one repository: another asks for its own', async () => {
  await using guarded = await startGuarded()
  await using way = openWay()
  const bearer = challenge(`Bearer realm="${guarded.registry.url}/token",service="s",scope="repository:b:pull"`)
  guarded.registry.on('/v2/b/manifests/v1', bearer)
  await resolve(way.registries, { reference: guarded.text }, never)
  await failureOf(resolve(way.registries, { reference: `${guarded.registry.host}/b:v1` }, never))
  const tokens = guarded.registry.seen.filter(({ path }) => path.startsWith('/token'))
  expect(tokens.map(({ path }) => new URLSearchParams(path.split('?')[1]).get('scope'))).toEqual(['repository:a:pull', 'repository:b:pull'])
  expect(guarded.registry.seen.find(({ path }) => path.startsWith('/v2/b/'))?.headers.authorization).toBeUndefined()
})

test('a token is never sent to another host', async () => {
  await using guarded = await startGuarded()
  await using elsewhere = await startHostileRegistry()
  const { digest } = image.config.descriptor
  guarded.registry.on(`/v2/a/blobs/${digest}`, redirect(`${elsewhere.url}/signed?secret=1`))
  elsewhere.on('/signed', bytes(image.config.bytes))
  await using way = openWay()
  await resolve(way.registries, { reference: guarded.text }, never)
  await readDocument(way.registries, { reference: guarded.reference, descriptor: image.config.descriptor }, never)
  expect(guarded.registry.seen.at(-1)?.headers.authorization).toBe('Bearer t1')
  expect(authorizations(elsewhere)).toEqual([undefined])
})

test('another host that asks for a token gets none', async () => {
  await using guarded = await startGuarded()
  await using elsewhere = await startHostileRegistry()
  guarded.registry.on('/v2/a/manifests/v1', redirect(`${elsewhere.url}/m?secret=1`))
  elsewhere.on('/m', challenge(`Bearer realm="${elsewhere.url}/token"`))
  await using way = openWay()
  const { code, message } = await failureOf(resolve(way.registries, { reference: guarded.text }, never))
  expect(code).toBe('unauthenticated')
  expect(message).toContain(`${elsewhere.url}/m?… answered 401`)
  expect(message).not.toContain('secret')
  expect(paths(elsewhere)).toEqual(['/m'])
})

test('redirects that never end are', async () => {
  await using registry = await startHostileRegistry()
  registry.on('/v2/a/manifests/v1', redirect('/v2/a/manifests/v1'))
  await using way = openWay()
  expect(await failureOf(resolve(way.registries, { reference: `${registry.host}/a:v1` }, never))).toMatchObject({
    code: 'unimplemented',
    message: expect.stringContaining('more than 10 times'),
  })
  expect(registry.seen).toHaveLength(11)
})

test('a redirect to nowhere, or off the web, is refused', async () => {
  await using registry = await startHostileRegistry()
  await using way = openWay()
  for (const location of ['', 'file:///etc/passwd', 'http://']) {
    registry.on('/v2/a/manifests/v1', redirect(location))
    expect(await failureOf(resolve(way.registries, { reference: `${registry.host}/a:v1` }, never))).toMatchObject({ code: 'unimplemented' })
  }
})
