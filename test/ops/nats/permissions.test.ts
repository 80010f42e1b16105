/** Who may do what, with a server started with `ops/nats/single.conf` and the accounts made for it. */
import { nkeys } from 'nats'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { z } from 'zod'
import { agreed } from '../../../messages/agreed.ts'
import { call, feed, type Protocol } from '../../../messages/grammar/index.ts'
import { protocols } from '../../../messages/index.ts'
import { type Asker, askedBy } from '../../../messages/trust.ts'
import { openBucket } from '../../../runtime/bus/bucket.ts'
import type { Bus, Packet } from '../../../runtime/bus/bus.ts'
import { client } from '../../../runtime/bus/client.ts'
import { durably } from '../../../runtime/bus/durable.ts'
import { envelope, eventPacket } from '../../../runtime/bus/envelope.ts'
import { listen } from '../../../runtime/bus/listen.ts'
import { connectionOf, connectNats } from '../../../runtime/bus/nats.ts'
import { serve } from '../../../runtime/bus/serve.ts'
import { keepEvents, recall } from '../../../runtime/bus/stream.ts'
import { noLog } from '../../../runtime/no-log.ts'
import { type Server, type SetUp, setUpNats } from '../../support/nats-set-up.ts'

const scope = new AsyncDisposableStack()
let nats: SetUp
let server: Server
let operator: Bus

beforeAll(async () => {
  nats = scope.use(
    await setUpNats(
      { nodes: ['n1', 'n2'], operators: ['op'], observers: ['eyes', 'other'] },
      { account: 'ACME', subjects: 'acme', nodes: ['acme-n1'], operators: ['acme-op'] },
    ),
  )
  server = await nats.start('single')
  operator = await server.connect('op')
  await keepEvents(operator, { protocols })
  for (const bucket of Object.values(agreed)) await openBucket(operator, { ...bucket, kept: true })
})
afterAll(() => scope.disposeAsync())

const verbs = Object.entries<Protocol>(protocols).flatMap(([actor, protocol]) =>
  Object.entries(protocol).flatMap(([verb, { kind }]) => (kind === 'event' ? [] : [`${actor}.${verb}`])),
)
const facts = Object.entries<Protocol>(protocols).flatMap(([actor, protocol]) =>
  Object.entries(protocol).flatMap(([fact, { kind }]) => (kind === 'event' ? [`${actor}.${fact}`] : [])),
)
const addressees = ['n1', 'n2', 'any', 'all']
const asked = (asker: Asker, to = addressees): string[] => to.flatMap((one) => askedBy(asker).map((word) => `gantry.${one}.${word}`))

test('every verb is said to be for somebody', () => {
  expect([...askedBy('observer'), ...askedBy('node'), ...askedBy('operator')].toSorted()).toEqual(verbs.toSorted())
})

test('an observer can ask every verb that only shows, and no other, of anybody', async () => {
  const arrived = await said(
    'eyes',
    addressees.flatMap((to) => verbs.map((word) => `gantry.${to}.${word}`)),
  )
  expect(arrived).toEqual(asked('observer').toSorted())
})

test('a node can ask its own actors everything, and others only what the swarm needs', async () => {
  const arrived = await said(
    'n1',
    addressees.flatMap((to) => verbs.map((word) => `gantry.${to}.${word}`)),
  )
  expect(arrived).toEqual([...verbs.map((word) => `gantry.n1.${word}`), ...asked('node', ['n2', 'any', 'all'])].toSorted())
})

test('an operator can ask everything', async () => {
  const everything = addressees.flatMap((to) => verbs.map((word) => `gantry.${to}.${word}`))
  expect(await said('op', everything)).toEqual(everything.toSorted())
})

test('a node tells its own facts, and nobody else’s; an observer tells none', async () => {
  const everything = ['n1', 'n2'].flatMap((node) => facts.map((word) => `gantry.event.${node}.${word}`))
  expect(await said('n1', everything)).toEqual(facts.map((word) => `gantry.event.n1.${word}`).toSorted())
  expect(await said('eyes', everything)).toEqual([])
})

test.each([
  ['eyes', ['gantry.event.>', 'gantry.event.*.image.*', '_INBOX.eyes.>']],
  ['n1', ['gantry.event.>', '_INBOX.n1.>', 'gantry.n1.>', 'gantry.all.node.info', 'gantry.blob.sha256-0', '$SRV.PING']],
])('%s can listen to what is meant for it', async (user, subjects) => {
  const bus = await server.connect(user)
  for (const subject of subjects) await bus.subscribe(subject, () => {}).ready
})

test.each([
  [
    'eyes',
    [
      '>',
      'gantry.>',
      'gantry.n1.>',
      'gantry.n1.node.info',
      'gantry.any.node.info',
      '_INBOX.>',
      '_INBOX.other.>',
      '_INBOX.op.>',
      '$KV.>',
      '$JS.API.>',
      '$SRV.PING',
    ],
  ],
  [
    'n1',
    [
      '>',
      'gantry.>',
      'gantry.n2.>',
      'gantry.n2.swarm.read',
      'gantry.*.swarm.read',
      '_INBOX.>',
      '_INBOX.n2.>',
      '$KV.GANTRY_TAGS.>',
      '$JS.API.>',
    ],
  ],
])('%s cannot listen to what is meant for others', async (user, subjects) => {
  const bus = await server.connect(user)
  for (const subject of subjects)
    await expect(bus.subscribe(subject, () => {}).ready, subject).rejects.toMatchObject({ code: 'permission_denied' })
})

test('a node answers for any as one of them, not beside them', async () => {
  const bus = await server.connect('n1')
  await bus.subscribe('gantry.any.node.info', () => {}, { queue: 'any' }).ready
  await expect(bus.subscribe('gantry.any.node.info', () => {}).ready).rejects.toMatchObject({ code: 'permission_denied' })
  await expect(bus.subscribe('gantry.any.node.info', () => {}, { queue: 'mine' }).ready).rejects.toMatchObject({
    code: 'permission_denied',
  })
})

test('a feed of a thousand items reaches an observer', async () => {
  const things = { things: feed('Many.', { request: z.object({}), item: z.object({ n: z.number() }), example: {} }) }
  await using _served = await serve(await server.connect('n1'), {
    node: 'n1',
    // a word an observer may say
    actor: 'pull',
    protocol: { follow: things.things },
    log: noLog,
    handlers: {
      async *follow() {
        for (let n = 0; n < 1_000; n++) yield { n }
      },
    },
  })
  const asks = client<{ follow: typeof things.things }>(await server.connect('eyes'), { node: 'n1', actor: 'pull' })
  const items = await Array.fromAsync(asks.follow({}))
  expect(items).toHaveLength(1_000)
})

test('a node finds what an operator made: it keeps its facts, and agrees with others', async () => {
  const bus = await server.connect('n1')
  expect(await keepEvents(bus, { protocols })).toBe(true)
  const fact = eventPacket('gantry', envelope({ node: 'n1', actor: 'node', fact: 'up', entity: 'n1', data: { node: 'n1', version: '1' } }))
  expect(await durably(bus)(fact.subject, fact.packet, { signal: new AbortController().signal })).toBeGreaterThan(0)
  for (const bucket of Object.values(agreed)) {
    const near = await openBucket<string>(bus, bucket)
    const far = await openBucket<string>(await server.connect('n2'), bucket)
    const watched = far?.watch('mine', { signal: new AbortController().signal })[Symbol.asyncIterator]()
    const first = (await near?.create('mine', 'one')) ?? 0
    expect((await watched?.next())?.value).toMatchObject({ value: 'one', revision: first })
    const second = (await far?.update('mine', 'two', first)) ?? 0
    expect(await near?.update('mine', 'three', first)).toBeUndefined()
    expect((await Array.fromAsync(near?.all({ signal: new AbortController().signal }) ?? []))[0]).toMatchObject({ value: 'two' })
    expect(await near?.remove('mine', second)).toBe(true)
  }
})

test.each(['eyes', 'n1'])('%s makes no streams, buckets or consumers, and takes none away', async (user) => {
  const bus = await server.connect(user)
  const packet: Packet = { headers: {}, payload: Buffer.from('{}') }
  const wishes = [
    'STREAM.CREATE.MINE',
    'STREAM.UPDATE.GANTRY_EVENTS',
    'STREAM.DELETE.GANTRY_EVENTS',
    'STREAM.PURGE.GANTRY_EVENTS',
    'STREAM.MSG.DELETE.GANTRY_EVENTS',
    'CONSUMER.CREATE.GANTRY_EVENTS',
    'CONSUMER.CREATE.KV_GANTRY_TAGS.mine',
    'CONSUMER.DURABLE.CREATE.GANTRY_EVENTS.mine',
    'DIRECT.GET.KV_GANTRY_TAGS',
    'STREAM.SNAPSHOT.GANTRY_EVENTS',
    'STREAM.RESTORE.GANTRY_EVENTS',
  ]
  for (const wish of wishes)
    await expect(bus.request(`$JS.API.${wish}`, packet, { timeoutMs: 5_000 }), wish).rejects.toMatchObject({ code: 'permission_denied' })
})

test('where nothing is kept yet a node says who may see to it', async () => {
  const bus = await server.connect('n1', { root: 'elsewhere' })
  await expect(keepEvents(bus, { protocols })).rejects.toMatchObject({
    code: 'permission_denied',
    message: expect.stringContaining('gantry streams'),
  })
})

/** Whoever asks names the subject of the answer, and a stream sends its receipts wherever it is told. */
test('no answer and no receipt makes another node do something, or is taken for a fact', async () => {
  const done: string[] = []
  const drain = { drain: call('Stop.', { request: z.object({}), reply: z.object({}), example: {} }) }
  const handlers = (node: string) => ({
    drain: () => {
      done.push(node)
      return {}
    },
  })
  await using _near = await serve(await server.connect('n1'), {
    node: 'n1',
    actor: 'node',
    protocol: drain,
    log: noLog,
    handlers: handlers('n1'),
  })
  await using _far = await serve(await server.connect('n2'), {
    node: 'n2',
    actor: 'node',
    protocol: drain,
    log: noLog,
    handlers: handlers('n2'),
  })
  const raw = connectionOf(await server.connect('n1'))
  const fact = eventPacket('gantry', envelope({ node: 'n1', actor: 'node', fact: 'up', data: {} }))
  const before = await events()
  raw?.publish(fact.subject, fact.packet.payload, { reply: 'gantry.n2.node.drain' })
  raw?.publish('$JS.API.STREAM.INFO.GANTRY_EVENTS', '', { reply: 'gantry.n2.node.drain' })
  raw?.publish('$KV.GANTRY_CLAIMS.mine', '{}', { reply: 'gantry.n2.node.drain' })
  raw?.publish(fact.subject, fact.packet.payload, { reply: '$JS.API.STREAM.PURGE.GANTRY_EVENTS' })
  raw?.publish(fact.subject, fact.packet.payload, { reply: '$JS.API.STREAM.MSG.DELETE.GANTRY_EVENTS' })
  raw?.publish('gantry.n1.node.drain', '{}', { reply: 'gantry.n2.node.drain' })
  await raw?.flush()
  // Somebody who may, asks last: what was said before has come.
  await client<typeof drain>(operator, { node: 'n2', actor: 'node' }).drain({})
  await client<typeof drain>(operator, { node: 'n1', actor: 'node' }).drain({})
  expect(done).toEqual(['n2', 'n1'])
  expect(await events()).toBe(before + 3)
})

test('what a node tells in the name of another, or has a stream tell, is no fact', async () => {
  const signal = AbortSignal.timeout(10_000)
  const told = (node: string, source: string) => envelope({ node: source, actor: 'image', fact: 'removed', data: { from: node } })
  const forged = { ...told('n1', 'n2'), id: 'forged' }
  const bus = await server.connect('n1')
  await using heard = listen(await server.connect('eyes'), { actor: 'image' }, { signal })
  await heard.ready
  bus.publish('gantry.event.n1.image.removed', eventPacket('gantry', forged).packet)
  connectionOf(bus)?.publish('gantry.event.n1.image.removed', 'anything', { reply: 'gantry.event.n2.image.removed' })
  await bus.flush()
  const last = told('n1', 'n1')
  bus.publish('gantry.event.n1.image.removed', eventPacket('gantry', last).packet)
  for await (const { id } of heard) {
    expect(id).toBe(last.id)
    break
  }
  const kept = await Array.fromAsync(recall(operator, { actor: 'image', signal }))
  expect(kept.map(({ id }) => id)).toEqual([last.id])
})

test('a tenant sees nothing of another, and is not heard there', async () => {
  const acme = await tenant('op')
  const heard: string[] = []
  const interest = acme.subscribe('>', ({ subject }) => void heard.push(subject))
  await interest.ready
  expect(await said('op', ['gantry.n1.node.info', 'gantry.event.n1.node.up', 'acme.n1.node.info'])).toHaveLength(3)
  await acme.flush()
  await interest[Symbol.asyncDispose]()
  expect(await said('acme-op', ['gantry.n1.node.info', 'gantry.event.n1.node.up', 'acme.n1.node.info'])).toEqual([])
  expect(heard.filter((subject) => /^(gantry|acme)\./.test(subject))).toEqual([])
  await expect(acme.request('gantry.n1.node.info', nothing, { timeoutMs: 5_000 })).rejects.toMatchObject({ code: 'unavailable' })
  expect(await keepEvents(acme, { protocols })).toBe(true)
  await expect(streamsOf(acme)).resolves.toEqual(['ACME_EVENTS'])
  await expect(streamsOf(operator)).resolves.not.toContain('ACME_EVENTS')
})

test('a user known by an nkey proves to have its seed, which the server never sees', async () => {
  const pair = nkeys.createUser()
  await using keyed = await setUpNats({ observers: [`eyes=${pair.getPublicKey()}`] })
  const { url } = await keyed.start('single')
  const address = { url, inbox: '_INBOX.eyes' }
  await using bus = await connectNats({ ...address, seed: `${Buffer.from(pair.getSeed()).toString()}\n` })
  await bus.subscribe('gantry.event.>', () => {}).ready
  await expect(bus.subscribe('gantry.n1.>', () => {}).ready).rejects.toMatchObject({ code: 'permission_denied' })
  const another = Buffer.from(nkeys.createUser().getSeed()).toString()
  await expect(connectNats({ ...address, seed: another })).rejects.toMatchObject({ code: 'unauthenticated' })
})

test('nobody gets in without a password, or with the one of another', async () => {
  await expect(connectNats({ url: server.url })).rejects.toMatchObject({ code: 'unauthenticated' })
  await expect(connectNats({ url: server.url, user: 'op', password: 'n1' })).rejects.toMatchObject({ code: 'unauthenticated' })
})

/** What of these subjects comes through when a user says something on each, in order of the alphabet. */
async function said(user: string, subjects: readonly string[]): Promise<string[]> {
  const bus = await server.connect(user)
  const heard: string[] = []
  const end = 'gantry.n1.end'
  const over = Promise.withResolvers<void>()
  await using interest = operator.subscribe('>', ({ subject }) => {
    if (subject === end) over.resolve()
    else if (subjects.includes(subject)) heard.push(subject)
  })
  await interest.ready
  const raw = connectionOf(bus)
  for (const subject of subjects) raw?.publish(subject, '')
  await raw?.flush()
  operator.publish(end, nothing)
  await over.promise
  return heard.toSorted()
}

const nothing: Packet = { headers: {}, payload: new Uint8Array() }

const tenant = (user: string): Promise<Bus> => server.connect(`acme-${user}`, { root: 'acme' })

async function events(): Promise<number> {
  const { payload } = await operator.request('$JS.API.STREAM.INFO.GANTRY_EVENTS', nothing, { timeoutMs: 5_000 })
  return (JSON.parse(Buffer.from(payload).toString()) as { state: { messages: number } }).state.messages
}

async function streamsOf(bus: Bus): Promise<string[]> {
  const { payload } = await bus.request('$JS.API.STREAM.NAMES', nothing, { timeoutMs: 5_000 })
  return (JSON.parse(Buffer.from(payload).toString()) as { streams: string[] }).streams
}
