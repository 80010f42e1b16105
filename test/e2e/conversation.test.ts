import { afterAll, beforeAll, expect, test } from 'vitest'
import type { pull as pullProtocol } from '../../messages/pull.ts'
import { makeImage } from '../../ops/lab/images.ts'
import type { Bus } from '../../runtime/bus/bus.ts'
import { client } from '../../runtime/bus/client.ts'
import { commitsOf } from '../support/commits.ts'
import { type HostileRegistry, startHostileRegistry } from '../support/hostile-registry.ts'
import { archive, file } from '../support/layers.ts'
import { type RunningNode, startNode } from '../support/node.ts'
import { layerOf } from '../support/rich-image.ts'
import { serveImage } from '../support/served-image.ts'

/** How much is said for a pull: what grows here is felt in images of many small layers before anything else. */
const scope = new AsyncDisposableStack()
let registry: HostileRegistry
let node: RunningNode
let bus: Bus

beforeAll(async () => {
  registry = scope.use(await startHostileRegistry())
  node = scope.use(await startNode())
  bus = scope.use(await node.connect())
})
afterAll(() => scope.disposeAsync())

const count = 24

test('a small layer takes eight questions and five facts, and is written down in few transactions', async () => {
  const reference = serveImage(registry, 'many', await manyLayers('first'))
  const asked = registry.seen.length
  const { subjects, commits } = await heard(() => pulled(reference))
  expect(perLayer(subjects)).toEqual({
    'swarm.object': 1,
    'fetch.object': 1,
    'ingest.put': 1,
    'event ingest.committed': 1,
    'event content.created': 1,
    'snapshot.prepare': 1,
    'event snapshot.prepared': 1,
    'unpack.apply': 1,
    'unpack-N.apply': 1,
    'ingest.follow': 1,
    'event unpack.applied': 1,
    'snapshot.commit': 1,
    'event snapshot.committed': 1,
  })
  expect(subjects.get('bus.cancel') ?? 0).toBe(0)
  expect((subjects.get('replies') ?? 0) / count).toBeLessThan(23)
  expect(commits / count).toBeLessThan(12)
  // the manifest by its tag, then as a blob; the config; the layers
  expect(registry.seen.length - asked).toBe(count + 3)
})

test('an image that is here already takes no more for many layers than for one', async () => {
  const reference = serveImage(registry, 'again', await manyLayers('again'))
  await pulled(reference)
  const asked = registry.seen.length
  const { subjects, commits } = await heard(() => pulled(reference))
  expect(perLayer(subjects)).toEqual({})
  expect([...subjects.values()].reduce((sum, one) => sum + one, 0)).toBeLessThan(90)
  expect(commits).toBeLessThan(20)
  expect(registry.seen.length - asked).toBe(1)
})

test('what is here under another name is looked for in one message', async () => {
  const image = await manyLayers('names')
  await pulled(serveImage(registry, 'one', image))
  const asked = registry.seen.length
  const { subjects } = await heard(() => pulled(serveImage(registry, 'other', image)))
  expect(perLayer(subjects)).toEqual({ 'content.info': 1, 'content.label': 1 })
  expect(registry.seen.length - asked).toBe(1)
})

const manyLayers = (name: string) =>
  makeImage({ layers: Array.from({ length: count }, (_, at) => layerOf(archive(file(`${name}-${at}`, `${name} ${at}`)))) })

/** What is asked or told at least once for most layers, how often for each. */
const perLayer = (subjects: ReadonlyMap<string, number>): Record<string, number> =>
  Object.fromEntries(
    [...subjects]
      .filter(([subject, times]) => times >= count / 2 && !paced.includes(subject))
      .map(([subject, times]) => [subject, Math.floor(times / count)]),
  )

/** Told as often as time passes, and answers, which have no names. */
const paced = ['event pull.advanced', 'event unpack.progressed', 'bus.pace', 'replies', 'the stream']

/** Everything said meanwhile, and how often; and the transactions. */
async function heard(work: () => Promise<void>): Promise<{ subjects: Map<string, number>; commits: number }> {
  const subjects = new Map<string, number>()
  const interest = bus.subscribe('>', ({ subject }) => {
    const name = nameOf(subject)
    subjects.set(name, (subjects.get(name) ?? 0) + 1)
  })
  await interest.ready
  const before = await commitsOf(node.root)
  await work()
  await bus.flush()
  await interest[Symbol.asyncDispose]()
  return { subjects, commits: (await commitsOf(node.root)) - before }
}

/** `actor.verb`, whoever was asked. */
function nameOf(subject: string): string {
  const words = subject.split('.')
  if (words[0] !== 'gantry') return words[0] === '_INBOX' ? 'replies' : 'the stream'
  const name = words.slice(-2).join('.')
  return words[1] === 'event' ? `event ${name}` : name.replace(/-\d+\./, '-N.')
}

async function pulled(reference: string): Promise<void> {
  const asked = client<typeof pullProtocol>(bus, { node: node.name, actor: 'pull' })
  const { ticket } = await asked.start({ reference })
  for await (const _ of asked.follow({ ticket }));
}
