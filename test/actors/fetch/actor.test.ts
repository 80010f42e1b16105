import { expect, test } from 'vitest'
import { startFetch } from '../../../actors/fetch/actor.ts'
import type { fetch } from '../../../messages/fetch.ts'
import { busyboxImage, pushImage } from '../../../ops/lab/images.ts'
import { startRegistry } from '../../../ops/lab/registry.ts'
import type { Bus } from '../../../runtime/bus/bus.ts'
import { client } from '../../../runtime/bus/client.ts'
import { startStore } from '../../support/content.ts'
import { startHostileRegistry, status } from '../../support/hostile-registry.ts'
import { startNats } from '../../support/nats.ts'
import { failureOf } from './setup.ts'

/** The fetch actor beside a content store, on one bus, or on another than its. */
async function startNode(bus?: Bus) {
  await using stack = new AsyncDisposableStack()
  const store = stack.use(await startStore())
  const home = { ...store.home, ...(bus && { bus }) }
  stack.use(await startFetch(home))
  const scope = stack.move()
  const asks = client<typeof fetch>(home.bus, { node: home.node, actor: 'fetch' })
  return { ...store, fetch: asks, [Symbol.asyncDispose]: () => scope.disposeAsync() }
}

test('an image is resolved, its manifest read, its layers brought into content', async () => {
  await using registry = await startRegistry()
  await using node = await startNode()
  const image = await busyboxImage()
  const { name, descriptor } = await node.fetch.resolve({ reference: await pushImage(registry, 'library/busybox:latest', image) })
  expect(descriptor).toEqual(image.manifest.descriptor)
  const pieces = await Array.fromAsync(node.fetch.object({ reference: name, descriptor }))
  expect(Buffer.concat(pieces.map(({ bytes }) => bytes)).equals(image.manifest.bytes)).toBe(true)
  for (const { descriptor } of [image.config, ...image.layers]) {
    const { token, path, offset } = await node.ingest.open({
      reference: descriptor.digest,
      expected: descriptor.digest,
      total: descriptor.size,
    })
    const items = await Array.fromAsync(node.fetch.blob({ name, descriptor, token, path, offset }))
    expect(items.at(-1)).toEqual({ offset: descriptor.size })
    await node.ingest.commit({ token, size: descriptor.size, digest: descriptor.digest })
    expect((await node.content.info({ digest: descriptor.digest })).size).toBe(descriptor.size)
  }
})

test('a blob given up can be gone on with at the byte it reached', async () => {
  await using registry = await startRegistry()
  await using node = await startNode()
  const image = await busyboxImage()
  const name = await pushImage(registry, 'library/busybox:latest', image)
  const [layer] = image.layers
  if (!layer) throw new Error('busybox has a layer')
  const { digest, size } = layer.descriptor
  const opened = await node.ingest.open({ reference: digest, expected: digest, total: size })
  for await (const _ of node.fetch.blob({ name, descriptor: layer.descriptor, ...opened })) break
  await node.ingest.close({ token: opened.token })
  const again = await node.ingest.open({ reference: digest, expected: digest, total: size })
  for await (const _ of node.fetch.blob({ name, descriptor: layer.descriptor, ...again }));
  await node.ingest.commit({ token: again.token, size, digest })
})

test('a failure keeps its code and its words on the way', async () => {
  await using registry = await startHostileRegistry()
  await using node = await startNode()
  registry.on('/v2/a/manifests/v1', status(401, undefined, { 'www-authenticate': 'Basic realm="x"' }))
  const failure = await failureOf(Promise.resolve(node.fetch.resolve({ reference: `${registry.host}/a:v1` })))
  expect(failure).toEqual({
    code: 'unauthenticated',
    message: `resolve ${registry.host}/a:v1: ${registry.url} asks for basic credentials, and there are none`,
  })
})

test('a call given up ends the request to the registry', async () => {
  await using registry = await startHostileRegistry()
  await using nats = await startNats()
  await using node = await startNode(await nats.connect())
  const came = Promise.withResolvers<void>()
  const closed = Promise.withResolvers<void>()
  registry.on('/v2/a/manifests/v1', (request) => {
    request.socket.once('close', closed.resolve)
    came.resolve()
  })
  const controller = new AbortController()
  const asked = failureOf(Promise.resolve(node.fetch.resolve({ reference: `${registry.host}/a:v1` }, { signal: controller.signal })))
  await came.promise
  controller.abort()
  expect((await asked).code).toBe('cancelled')
  await closed.promise
})
