import { expect, test } from 'vitest'
import { startFetch } from '../../../actors/fetch/actor.ts'
import { openPatience } from '../../../actors/fetch/patience.ts'
import type { fetch } from '../../../messages/fetch.ts'
import { blobOf } from '../../../ops/lab/images.ts'
import { client } from '../../../runtime/bus/client.ts'
import { listen } from '../../../runtime/bus/listen.ts'
import { startStore } from '../../support/content.ts'
import { bytes, startHostileRegistry, status } from '../../support/hostile-registry.ts'
import { startNats } from '../../support/nats.ts'
import { failureOf, never } from './setup.ts'

const registry = 'r.test'
/** ms the clock of the process and that of the machine may differ */
const clocksMs = 100

test('who is left alone is asked again at the time it said', async () => {
  let now = 5_000
  const patience = openPatience({ now: () => now })
  await patience.give(registry, never)
  expect(patience.asked(registry, 6_010)).toBe(6_010)
  const given = patience.give(registry, never).then(() => 'given')
  await expect(Promise.race([given, Promise.resolve('waiting')])).resolves.toBe('waiting')
  await patience.give('another.test', never)
  now = 6_010
  await patience.give(registry, never)
})

test('a wait is made longer while it lasts, and nobody waits longer than a minute', async () => {
  const patience = openPatience({ now: () => 0 })
  expect(patience.asked(registry, 3_000)).toBe(3_000)
  expect(patience.asked(registry, 9_000)).toBe(9_000)
  expect(patience.asked(registry, 1e12)).toBe(60_000)
})

test('what was said before, or nearly, is no news; nor is what is over, or no time at all', async () => {
  const patience = openPatience({ now: () => 1_000 })
  expect(patience.asked(registry, 20_000)).toBe(20_000)
  expect(patience.asked(registry, 20_000)).toBeUndefined()
  expect(patience.asked(registry, 20_500)).toBeUndefined()
  expect(patience.asked(registry, 10_000)).toBeUndefined()
  expect(patience.asked('other', 500)).toBeUndefined()
  expect(patience.asked('other', Number.NaN)).toBeUndefined()
})

test('waiting is given up when told to', async () => {
  const patience = openPatience({ now: () => 0 })
  patience.asked(registry, 60_000)
  const control = new AbortController()
  const given = patience.give(registry, control)
  control.abort(new Error('enough'))
  await expect(given).rejects.toThrow('enough')
})

for (const code of [429, 503]) {
  test(`what a registry says to one node with ${code}, every node minds`, async () => {
    await using nats = await startNats()
    await using registry = await startHostileRegistry()
    await using one = await startNode(await nats.connect(), 'one')
    await using two = await startNode(await nats.connect(), 'two')
    const blob = blobOf('application/octet-stream', Buffer.from('patience'))
    const path = `/v2/a/blobs/${blob.descriptor.digest}`
    registry.on(path, status(code, undefined, { 'retry-after': '1' }), bytes(blob.bytes))
    const read = async (node: typeof one) => {
      const pieces = await Array.fromAsync(node.fetch.object({ reference: `${registry.host}/a`, descriptor: blob.descriptor }))
      return Buffer.concat(pieces.map(({ bytes }) => bytes)).toString()
    }

    await using told = listen<typeof fetch, 'throttled'>(two.home.bus, { actor: 'fetch', fact: 'throttled' })
    await told.ready
    const first = read(one)
    const heard = await told[Symbol.asyncIterator]().next()
    expect(heard.value).toMatchObject({ source: 'one', data: { registry: registry.host, status: code } })
    const until = Date.parse(heard.value?.data.until ?? '')
    expect(registry.seen).toHaveLength(1)
    expect(await Promise.all([first, read(two)])).toEqual(['patience', 'patience'])
    // the one that was refused, then one of each node; none of them before it was time
    expect(registry.seen).toHaveLength(3)
    for (const { at } of registry.seen.slice(1)) expect(performance.timeOrigin + at).toBeGreaterThan(until - clocksMs)
  })
}

test('who gives up what waits for a registry does not wait', async () => {
  await using nats = await startNats()
  await using registry = await startHostileRegistry()
  await using node = await startNode(await nats.connect(), 'one')
  await using told = listen<typeof fetch, 'throttled'>(node.home.bus, { actor: 'fetch', fact: 'throttled' })
  await told.ready
  registry.on('/v2/a/manifests/v1', status(429, undefined, { 'retry-after': '3600' }))
  const asked = () => Promise.resolve(node.fetch.resolve({ reference: `${registry.host}/a:v1` }, { signal: control.signal }))
  const control = new AbortController()
  expect((await failureOf(asked())).code).toBe('resource_exhausted')
  await told[Symbol.asyncIterator]().next()
  const second = failureOf(asked())
  control.abort()
  expect((await second).code).toBe('cancelled')
  expect(registry.seen).toHaveLength(1)
})

async function startNode(bus: Awaited<ReturnType<Awaited<ReturnType<typeof startNats>>['connect']>>, node: string) {
  await using stack = new AsyncDisposableStack()
  const store = stack.use(await startStore({ bus, node }))
  stack.use(await startFetch(store.home))
  const scope = stack.move()
  return { ...store, fetch: client<typeof fetch>(bus, { node, actor: 'fetch' }), [Symbol.asyncDispose]: () => scope.disposeAsync() }
}
