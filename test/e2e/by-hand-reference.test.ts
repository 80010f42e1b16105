import { mkdtemp } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import type { Call, Event, Feed } from '../../messages/grammar/index.ts'
import { protocols } from '../../messages/index.ts'
import { digestToken } from '../../messages/words/index.ts'
import { busyboxImage, makeImage } from '../../ops/lab/images.ts'
import { asked, badEvent, codeOf, complaints, discover, type Found } from '../support/by-hand/answers.ts'
import { type Ground, givenFor } from '../support/by-hand/given.ts'
import { goClient, goMissing } from '../support/by-hand/go-client.ts'
import { natsCommand } from '../support/by-hand/nats-command.ts'
import { type Line, shellLines, wordsOf } from '../support/by-hand/page.ts'
import { serverOf } from '../support/by-hand/server.ts'
import { type Message, type TextClient, textClient } from '../support/by-hand/text-client.ts'
import { type HostileRegistry, startHostileRegistry } from '../support/hostile-registry.ts'
import { type RunningNode, startNode } from '../support/node.ts'
import { blobPath, held, serveImage } from '../support/served-image.ts'
import { tempDirectory } from '../support/temp.ts'

/** The protocol reference, tried: every line of it is carried out on a real node, by somebody who has a socket and no library. */
const scope = new AsyncDisposableStack()
let registry: HostileRegistry
let node: RunningNode
let client: TextClient
let found: Map<string, Found>
let lines: readonly Line[]
let ground: Ground

beforeAll(async () => {
  registry = scope.use(await startHostileRegistry())
  node = scope.use(await startNode())
  client = scope.use(await textClient(await serverOf(node.root)))
  scope.defer(cleared)
  found = await discover(client, node.name)
  lines = await shellLines(new URL('../../ops/docs/protocol.md', import.meta.url))
  ground = await aGround()
})
afterAll(() => scope.disposeAsync())

test('every verb of every actor has an example', () => {
  const examples = new Set(lines.flatMap(({ under, text }) => (text.startsWith('nats req') ? [under.split(' ')[0]] : [])))
  expect([...found.keys()].filter((verb) => !verb.startsWith('unpack-') && verb !== 'blob' && !examples.has(verb))).toEqual([])
})

test('every example does what it says, and what it answers is what its JSON Schema says', async () => {
  expect(await tried(async (words) => (await natsCommand(client, words)).messages)).toEqual(refused)
}, 60_000)

// The same once more, and a compiler before it: for those who ask for long runs.
const missing = goMissing() ?? (process.env['GANTRY_TEST_RUNS'] === undefined ? 'skipped: GANTRY_TEST_RUNS asks for it' : undefined)

test.skipIf(missing)(
  `so it is for a client in Go${missing ? ` (${missing})` : ''}`,
  async () => {
    await using go = await goClient(await serverOf(node.root))
    expect(await tried((words) => go.ask(words))).toEqual(refused)
  },
  300_000,
)

test('whatever is told meanwhile is an event as it is declared', async () => {
  const told = client.listen('gantry.event.>')
  const kinds = new Set<string>()
  const reference = await served('events', await busyboxImage({ layers: [[{ name: 'events', content: 'events' }]] }))
  await ground.ask('pull.follow', await ground.ask('pull.start', { reference }))
  const given = await givenFor('exec.remove', { id: 'r1' }, { ...ground, here: { ...ground.here, reference } })
  await ground.ask('exec.remove', given.request)
  await ground.ask('container.remove', given.request)
  await ground.ask('image.remove', { name: reference })
  for (let one = await told.next(1_000); one; one = await told.next(500)) {
    expect(badEvent(one)).toEqual([])
    kinds.add(one.subject.split('.').slice(3).join('.'))
  }
  told.stop()
  expect([...kinds]).toEqual(
    expect.arrayContaining([
      ...['pull.started', 'pull.advanced', 'pull.finished', 'ingest.committed', 'content.created', 'unpack.applied', 'snapshot.committed'],
      ...['image.created', 'container.created', 'exec.created', 'exec.exited', 'exec.removed', 'container.removed', 'image.removed'],
    ]),
  )
})

test('what the page says beside the verbs works: everybody and anybody are asked, the stream is read, a feed is cancelled', async () => {
  const beside = lines.filter(({ under }) => under === 'By hand').map(({ text }) => wordsOf(text).slice(1))
  for (const words of beside.filter(([command]) => command !== 'sub')) {
    const { messages } = await natsCommand(client, words)
    if (words[0] !== 'pub') expect(messages.length, words.join(' ')).toBeGreaterThan(0)
    expect(codeOf(messages)).toBeUndefined()
  }
  const heard = beside.filter(([command]) => command === 'sub').map((words) => natsCommand(client, [...words, '--count', '1']))
  await ground.ask('lease.create', {})
  for (const { messages } of await Promise.all(heard)) expect(messages.flatMap(badEvent)).toEqual([])
})

test('the subjects to listen on are those events are told on', () => {
  const events = Object.entries(protocols).flatMap(([actor, protocol]) =>
    Object.entries<Call | Feed | Event>(protocol).flatMap(([fact, { kind }]) =>
      kind === 'event' ? [`gantry.event.*.${actor}.${fact}`] : [],
    ),
  )
  const listened = lines.flatMap(({ under, text }) => (under === 'Events' ? [wordsOf(text).at(-1)] : []))
  expect(listened).toEqual(expect.arrayContaining(events))
  expect(listened.length).toBe(events.length)
})

test('the services tools of NATS find every actor, each once, all it can be asked, and how that went', async () => {
  const [pings, infos, stats] = await Promise.all(['PING', 'INFO', 'STATS'].map((word) => asked(client, `$SRV.${word}`)))
  const actors = Object.keys(protocols).map((actor) => `gantry-${actor}`)
  for (const answers of [pings, infos, stats]) {
    const names = (answers ?? []).map(({ name }) => name).filter((name) => !name.startsWith('gantry-unpack-'))
    expect(names.toSorted()).toEqual(actors.toSorted())
  }
  for (const actor of ['gantry-swarm', 'gantry-tag']) {
    const [info] = await asked(client, `$SRV.INFO.${actor}`)
    expect(info?.endpoints.map(({ metadata }) => Object.keys(JSON.parse(metadata.reply) as object).length > 0)).not.toContain(false)
    const [stat] = (await asked(client, `$SRV.STATS.${actor}`)) as unknown as {
      endpoints: { num_requests: number; num_errors: number }[]
    }[]
    expect(stat?.endpoints.some(({ num_requests: requests }) => requests > 0)).toBe(true)
  }
})

test('a failure stands in the headers for tools and in the body for everybody', async () => {
  const { messages, printed } = await natsCommand(client, ['req', 'gantry.n1.image.get', '{"name":"nobody"}'])
  expect(messages).toMatchObject([
    { headers: { 'Nats-Service-Error-Code': '404', 'Nats-Service-Error': expect.stringContaining('nobody'), 'Gantry-Node': 'n1' } },
  ])
  expect(JSON.parse(messages[0]?.payload.toString() ?? '')).toEqual({
    error: { code: 'not_found', message: expect.stringContaining('nobody') },
  })
  expect(printed).toContain('Nats-Service-Error: ')
})

/** What cannot succeed here, as declared: a connection offered by a node that is not there. */
const refused = { 'swarm.connect': 'unimplemented' }

/** Try every example; what failed, and with what. What is answered, or why not, is as declared. */
async function tried(perform: (words: readonly string[]) => Promise<readonly Message[]>): Promise<Record<string, string>> {
  const failed: Record<string, string> = {}
  for (const { under, text } of lines) {
    const [verb = ''] = under.split(' ')
    const word = verb === 'gantry.blob.<token>' ? found.get('blob') : found.get(verb)
    if (!word || !text.startsWith('nats req')) continue
    const [, ...words] = wordsOf(text)
    const { request, meanwhile } = await givenFor(verb, JSON.parse(words.at(-1) ?? '') as object, ground)
    const heard = client.listen(`gantry.${node.name}.${word.verb}`)
    await client.flush()
    const asking = perform([...words.slice(0, -1).map(realSubject), JSON.stringify(request)])
    if (meanwhile) await heard.next(30_000) // what is sent now comes after it, whoever asked
    await meanwhile?.()
    const messages = await asking
    heard.stop()
    expect(complaints(word, messages)).toEqual([])
    if (word.kind === 'feed') expect(messages.at(-1)?.payload.length, `${verb} says when it is over`).toBe(0)
    const code = codeOf(messages)
    if (code) failed[verb] = refused[verb as keyof typeof refused] ? code : messages.map(({ payload }) => `${payload}`).join(' ')
  }
  return failed
}

/** The subject of a blob is that of a real one. */
const realSubject = (word: string): string =>
  word.startsWith('gantry.blob.') ? `gantry.blob.${digestToken(ground.here.image.layers[1]?.descriptor.digest ?? '')}` : word

async function aGround(): Promise<Ground> {
  const ask: Ground['ask'] = async (verb, request) => {
    const words = found.get(verb)?.kind === 'feed' ? ['--wait-for-empty', '--reply-timeout', '10s', '--timeout', '10s'] : []
    const { messages } = await natsCommand(client, ['req', ...words, `gantry.${node.name}.${verb}`, JSON.stringify(request)])
    const last = messages.findLast(({ payload }) => payload.length > 0)
    if (codeOf(messages)) throw new Error(`${verb} ${JSON.stringify(request)}: ${last?.payload}`)
    return JSON.parse(last?.payload.toString() ?? '{}') as Record<string, unknown>
  }
  const small = await makeImage({ layers: [[{ name: 'small', content: 'small' }]] })
  const image = await busyboxImage({ layers: [[{ name: 'second', content: 'second' }]] })
  const stuck = await makeImage({ layers: [[{ name: 'stuck', content: 'stuck' }]] })
  const slow = { reference: await served('slow', stuck) }
  const [layer] = stuck.layers
  if (layer) registry.on(blobPath('slow', layer.descriptor.digest), held(layer.bytes, { before: 10, until: new Promise(() => {}) }))
  const here = { reference: await served('here', image), image }
  await ask('pull.follow', await ask('pull.start', { reference: here.reference }))
  const directory = scope.use(await tempDirectory()).path
  return {
    ask,
    here,
    away: { reference: await served('away', small), image: small },
    slow,
    directory: () => mkdtemp(join(directory, 'd-')),
  }
}

const served = async (repository: string, image: Parameters<typeof serveImage>[2]): Promise<string> =>
  serveImage(registry, repository, image)

/** No container outlives the test. */
async function cleared(): Promise<void> {
  const { containers } = (await ground.ask('container.list', {})) as { containers: { id: string }[] }
  await node.run('ctr', ['containers', 'rm', '--force', ...containers.map(({ id }) => id)])
}
