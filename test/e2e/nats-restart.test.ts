import { randomBytes } from 'node:crypto'
import { afterAll, beforeAll, expect, test } from 'vitest'
import type { ingest } from '../../messages/ingest.ts'
import type { snapshot } from '../../messages/snapshot.ts'
import { type Image, makeImage } from '../../ops/lab/images.ts'
import { client } from '../../runtime/bus/client.ts'
import { listen } from '../../runtime/bus/listen.ts'
import { recall } from '../../runtime/bus/stream.ts'
import { retry } from '../../runtime/retry.ts'
import { treeDifference } from '../support/file-tree.ts'
import { type HostileRegistry, startHostileRegistry } from '../support/hostile-registry.ts'
import { archive, directory, file } from '../support/layers.ts'
import { type NatsServer, startNats } from '../support/nats.ts'
import { type RunningNode, startNode } from '../support/node.ts'
import { remains } from '../support/remains.ts'
import { layerOf } from '../support/rich-image.ts'
import { blobPath, held, serveImage } from '../support/served-image.ts'
import { snapshotTree } from '../support/snapshot-tree.ts'
import { umociTree } from '../support/umoci.ts'

const scope = new AsyncDisposableStack()
let registry: HostileRegistry
let nats: NatsServer
let node: RunningNode

beforeAll(async () => {
  registry = scope.use(await startHostileRegistry())
  nats = scope.use(await startNats({ jetstream: true }))
  node = scope.use(await startNode({ args: ['--nats', nats.url] }))
})
afterAll(() => scope.disposeAsync())

/** When the server is killed; `meanwhile`: the rest of the last layer is sent while it is away. */
const moments = [
  { fact: 'pull.started' },
  { fact: 'ingest.opened' },
  { fact: 'unpack.progressed' },
  { fact: 'unpack.progressed', meanwhile: true },
  { fact: 'snapshot.committed' },
  { fact: 'image.created', late: true },
]

for (const { fact, meanwhile = false, late = false } of moments) {
  test(`a pull outlives the NATS server killed at ${fact}${meanwhile ? ', its bytes coming meanwhile' : ''}, and so does who watches it`, async () => {
    const image = await anImage()
    const name = `${fact}-${meanwhile}`
    const [back, sent] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()]
    const reference = serveImage(registry, name, image)
    const last = image.layers.at(-1)
    if (last && !late) {
      const behaviour = held(last.bytes, { before: last.bytes.length >> 1, until: back.promise })
      registry.on(blobPath(name, last.descriptor.digest), (request, response) => {
        response.on('close', sent.resolve)
        behaviour(request, response)
      })
    }
    await using heard = await hear(fact)
    const watching = node.run('dist', ['pull', reference])
    await heard.told
    await nats.kill()
    if (meanwhile) {
      back.resolve()
      await sent.promise
    }
    await nats.restart()
    back.resolve()
    expect(await watching).toMatchObject({ exitCode: 0, stderr: '', stdout: expect.stringMatching(/elapsed .* total/) })
    await allBack()
    expect(treeDifference(await umociTree(image), await snapshotTree(node, image))).toEqual([])
    expect(await remains(node)).toEqual([])
  })
}

test('whatever was killed, each fact was told, and kept, once', async () => {
  await using bus = await node.connect()
  const counts = new Map<string, number>()
  for await (const { type, subject } of recall(bus)) counts.set(`${type} ${subject}`, (counts.get(`${type} ${subject}`) ?? 0) + 1)
  const kept = (type: string) => [...counts].filter(([fact]) => fact.startsWith(`${type} `)).map(([, count]) => count)
  const once = (number: number) => Array.from({ length: number * moments.length }, () => 1)
  expect(kept('pull.started')).toEqual(once(1))
  expect(kept('pull.finished')).toEqual(once(1))
  expect(kept('ingest.committed')).toEqual(once(4))
  expect(kept('content.created')).toEqual(once(4))
  expect(kept('snapshot.committed')).toEqual(once(2))
  expect(kept('image.created')).toEqual(once(1))
})

/** Every thread of the node comes back to the server in its own time. */
async function allBack(): Promise<void> {
  await using bus = await node.connect()
  await retry(async () => await client<typeof snapshot>(bus, { node: node.name, actor: 'snapshot' }).drivers({}), { tries: 20 })
  await retry(async () => await client<typeof ingest>(bus, { node: node.name, actor: 'ingest' }).list({}), { tries: 20 })
}

/** Listen for a fact. */
async function hear(fact: string): Promise<AsyncDisposable & { told: Promise<void> }> {
  const bus = await node.connect()
  const [actor, what] = fact.split('.')
  const told = Promise.withResolvers<void>()
  await listen(bus, { actor, fact: what as never }, { handler: () => told.resolve() }).ready
  return { told: told.promise, [Symbol.asyncDispose]: () => bus[Symbol.asyncDispose]() }
}

const anImage = (): Promise<Image> =>
  makeImage({
    layers: ['one', 'two'].map((name) => layerOf(archive(directory(`${name}/`), file(`${name}/file`, randomBytes(2_000_000))))),
    config: { Labels: { unique: randomBytes(8).toString('hex') } },
  })
