import { randomBytes } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import type { pull as pullProtocol } from '../../messages/pull.ts'
import { type Image, makeImage } from '../../ops/lab/images.ts'
import { livingAt } from '../../runtime/alive.ts'
import { client } from '../../runtime/bus/client.ts'
import { listen } from '../../runtime/bus/listen.ts'
import { recall } from '../../runtime/bus/stream.ts'
import { treeDifference } from '../support/file-tree.ts'
import { type HostileRegistry, startHostileRegistry } from '../support/hostile-registry.ts'
import { archive, directory, file, symlink } from '../support/layers.ts'
import { type RunningNode, startNode } from '../support/node.ts'
import { remains, remainsOf } from '../support/remains.ts'
import { layerOf } from '../support/rich-image.ts'
import { blobPath, held, serveImage } from '../support/served-image.ts'
import { snapshotTree } from '../support/snapshot-tree.ts'
import { tempDirectory } from '../support/temp.ts'
import { umociTree } from '../support/umoci.ts'

/** When the node is killed: at the so-manieth time a fact is told. `late`: once every byte is there; before that, one layer is kept from being complete. */
interface Moment {
  readonly fact: string
  readonly time?: number
  readonly late?: boolean
}

const moments: readonly Moment[] = [
  { fact: 'pull.started' },
  { fact: 'pull.advanced', time: 2 },
  { fact: 'ingest.opened', time: 2 },
  { fact: 'content.created', time: 2 },
  { fact: 'ingest.advanced' },
  { fact: 'ingest.committed' },
  { fact: 'snapshot.prepared' },
  { fact: 'unpack.progressed' },
  { fact: 'unpack.applied' },
  { fact: 'snapshot.committed' },
  { fact: 'ingest.committed', time: 5, late: true },
  { fact: 'snapshot.committed', time: 3, late: true },
  { fact: 'image.created', late: true },
  { fact: 'pull.finished', late: true },
]

const scope = new AsyncDisposableStack()
let registry: HostileRegistry
let root: string
let node: RunningNode

beforeAll(async () => {
  registry = scope.use(await startHostileRegistry())
  root = scope.use(await tempDirectory()).path
  node = await startNode({ root })
  scope.defer(() => node.stop())
})
afterAll(() => scope.disposeAsync())

for (const moment of moments) {
  const { fact, time = 1, late = false } = moment
  test(`killed at ${fact} ${time}, it goes on by itself when it is up again, and completes`, async () => {
    const image = await anImage()
    const name = `${fact}-${time}-${late}`
    const killed = Promise.withResolvers<void>()
    const reference = serveImage(registry, name, image)
    const last = image.layers.at(-1)
    if (last && !late)
      registry.on(blobPath(name, last.descriptor.digest), held(last.bytes, { before: last.bytes.length >> 1, until: killed.promise }))
    await startAndKill(reference, moment)
    killed.resolve()
    node = await startNode({ root })
    await completed(reference)
    expect(treeDifference(await umociTree(image), await snapshotTree(node, image))).toEqual([])
    expect(await remains(node)).toEqual([])
  })
}

test('it goes on at the byte it reached', async () => {
  const image = await anImage()
  const [layer] = image.layers
  if (!layer) throw new Error('it has layers')
  const killed = Promise.withResolvers<void>()
  const reference = serveImage(registry, 'resumed', image)
  registry.on(blobPath('resumed', layer.descriptor.digest), held(layer.bytes, { before: layer.bytes.length >> 1, until: killed.promise }))
  await startAndKill(reference, { fact: 'unpack.progressed' }, `layer-${layer.diffId}`)
  killed.resolve()
  node = await startNode({ root })
  await completed(reference)
  const ranges = registry.seen.filter(({ path }) => path.endsWith(layer.descriptor.digest)).map(({ headers }) => headers.range)
  expect(ranges).toEqual([undefined, expect.stringMatching(/^bytes=[1-9]\d*-$/)])
})

test('whatever was killed, each fact was told, and kept, once', async () => {
  await using bus = await node.connect()
  const told = new Map<string, number>()
  for await (const { type, subject } of recall(bus)) told.set(`${type} ${subject}`, (told.get(`${type} ${subject}`) ?? 0) + 1)
  const ends = ['ingest.committed', 'content.created', 'snapshot.committed', 'image.created', 'pull.started', 'pull.finished']
  const counts = [...told].filter(([fact]) => ends.some((end) => fact.startsWith(`${end} `)))
  expect(counts.filter(([, count]) => count !== 1)).toEqual([])
  const pulls = moments.length + 1
  expect(ends.map((end) => counts.filter(([fact]) => fact.startsWith(`${end} `)).length)).toEqual([
    5 * pulls,
    5 * pulls,
    3 * pulls,
    pulls,
    pulls,
    pulls,
  ])
})

test('a NATS server that outlives its node makes room for the next', async () => {
  const { pid } = JSON.parse(await readFile(join(root, 'nats/running.json'), 'utf8')) as { pid: number }
  // it cannot hear that its node is gone
  process.kill(pid, 'SIGSTOP')
  await node.kill()
  node = await startNode({ root })
  expect(await livingAt(pid)).toBeUndefined()
  expect((await node.run('dist', ['images'])).exitCode).toBe(0)
})

test('stopped, it leaves neither mount nor process', async () => {
  await node.stop()
  expect(await remainsOf(root)).toEqual([])
})

/** Begin a pull and kill the node when the moment comes. */
async function startAndKill(reference: string, { fact, time = 1 }: Moment, entity?: string): Promise<void> {
  await using bus = await node.connect()
  const [actor, what] = fact.split('.')
  const hearing = { actor, fact: what as never }
  let left = time
  const heard = listen(bus, hearing, {
    handler: ({ subject }) => {
      if ((entity === undefined || subject === entity) && --left === 0) void node.kill()
    },
  })
  await heard.ready
  // killed so early it does not answer any more
  await client<typeof pullProtocol>(bus, { node: node.name, actor: 'pull' })
    .start({ reference })
    .catch(() => {})
  await node.ended
}

/** Watch the pull of a reference, which nobody began again, to its end. */
async function completed(reference: string): Promise<void> {
  await using bus = await node.connect()
  const asked = client<typeof pullProtocol>(bus, { node: node.name, actor: 'pull' })
  const { pulls } = await asked.list({})
  const begun = pulls.filter((pull) => pull.reference === reference)
  expect(begun).toHaveLength(1)
  let state = ''
  for await (const item of asked.follow({ ticket: begun[0]?.ticket ?? '' })) ({ state } = item)
  expect(state).toBe('done')
}

/** Three layers: one to stand on, one that needs what is below, one that does not. */
const anImage = (): Promise<Image> =>
  makeImage({
    layers: [
      layerOf(
        archive(
          directory('./'),
          directory('usr/'),
          directory('usr/bin/'),
          symlink('usr/bin', 'bin'),
          file('usr/bin/sh', randomBytes(2_000_000)),
        ),
      ),
      layerOf(archive(file('bin/through', randomBytes(1000)), file('usr/.wh.none'), ...many('many'))),
      layerOf(archive(directory('own/'), file('own/file', randomBytes(2_000_000)), ...many('own'))),
    ],
    config: { Labels: { unique: randomBytes(8).toString('hex') } },
  })

const many = (name: string) => [
  directory(`${name}/`),
  ...Array.from({ length: 200 }, (_, at) => file(`${name}/${at}`, `${at}`, { mode: 0o600 + (at % 64), mtime: 1_600_000_000 + at })),
]
