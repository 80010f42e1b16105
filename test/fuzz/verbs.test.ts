import { mkdir, readdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import fc from 'fast-check'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { chainIds, digestToken } from '../../messages/words/index.ts'
import { busyboxImage, digestOf, makeImage } from '../../ops/lab/images.ts'
import { decode, encode } from '../../runtime/bus/codec.ts'
import { codeOf, complaints, discover, type Found } from '../support/by-hand/answers.ts'
import { natsCommand } from '../support/by-hand/nats-command.ts'
import { serverOf } from '../support/by-hand/server.ts'
import { type Heard, type Message, type TextClient, textClient } from '../support/by-hand/text-client.ts'
import { type HostileRegistry, startHostileRegistry } from '../support/hostile-registry.ts'
import { type RunningNode, startNode } from '../support/node.ts'
import { bounded } from '../support/properties.ts'
import { serveImage } from '../support/served-image.ts'
import { tempDirectory } from '../support/temp.ts'
import { harmless, type Sandbox } from './harmless.ts'
import { type Odd, oddRequests, packed, type Schema, stand } from './requests.ts'

/** Every verb of a real node is asked nonsense, and the node is none the worse for it. */
const scope = new AsyncDisposableStack()
let registry: HostileRegistry
let node: RunningNode
let client: TextClient
let found: Map<string, Found>
let sandbox: Sandbox
let known: Record<string, string[]>
/** Names the node gave away: they are asked with again. */
const given: Record<string, string[]> = { token: [], ticket: [] }
/** an image nobody is asked to harm, and a blob of it */
let kept: string
let blob: string

beforeAll(async () => {
  registry = scope.use(await startHostileRegistry())
  node = scope.use(await startNode())
  client = scope.use(await textClient(await serverOf(node.root)))
  found = await discover(client, node.name)
  scope.defer(async () => void (await cleared()))
  const directory = scope.use(await tempDirectory()).path
  const paths = ['a', 'b', 'c', 'nowhere/d'].map((name) => join(directory, name))
  for (const path of paths.slice(0, 2)) await mkdir(path)
  await writeFile(join(directory, 'c'), 'a file')
  sandbox = { paths, registry, now: (what, which) => given[what]?.at(which % (given[what]?.length || 1)) ?? what }
  for (const reference of ['ref-1', 'ref-2', 'ref-3']) learned(await ask('ingest.open', { reference }))
  await ask('lease.create', { id: 'lease-1' })
  const safe = await makeImage({ layers: [[{ name: 'kept', content: 'kept' }], [{ name: 'too', content: 'too' }]] })
  kept = serveImage(registry, 'kept', safe)
  blob = `gantry.blob.${digestToken(safe.config.descriptor.digest)}`
  const image = await busyboxImage({ layers: [[{ name: 'spare', content: 'spare' }]] })
  const spare = serveImage(registry, 'spare', image)
  for (const reference of [kept, spare]) await pulled(reference)
  await ask('snapshot.prepare', { key: 'key-1' })
  for (const [verb, more] of [
    ['container.create', { image: spare, args: ['sh', '-c', 'echo hi; sleep 1000'] }],
    ['exec.create', {}],
    ['exec.start', {}],
  ] as const)
    await ask(verb, { id: 'box-1', ...more })
  const digests = [...image.layers, image.config, image.manifest].map(({ descriptor }) => descriptor.digest)
  const chain = chainIds(image.layers.map(({ diffId }) => diffId))
  const keys = ['key-1', 'key-2', 'name-1', ...chain]
  const things = [...digests, ...keys, 'box-1', spare]
  known = {
    digest: [...digests, digestOf(Buffer.from('nobody has it'))],
    expected: digests,
    reference: [spare, `${registry.host}/nowhere:latest`, 'ref-1', ...digests],
    name: [spare, 'name-1', 'mine:latest'],
    image: [spare, 'nobody:latest'],
    key: keys,
    keys: things,
    parent: chain,
    upper: keys,
    lower: chain,
    id: ['box-1', 'box-2', 'lease-1'],
    lease: ['lease-1', 'nobody'],
    driver: ['overlay', 'native', 'btrfs', 'nonsense'],
    token: [0, 1, 2].map((which) => stand('token', which)),
    ticket: [0, 1, 2].map((which) => stand('ticket', which)),
    mediaType: ['application/vnd.oci.image.layer.v1.tar+gzip', 'application/vnd.oci.image.manifest.v1+json', 'text/plain'],
    args: ['echo', 'sleep', '1000'],
    signal: ['KILL', 'SIGTERM', '0', '-1', '999'],
    filters: ['digest', 'size>5', 'labels."a"==b', 'key~="(a+)+$"', '==', 'state!=opened,offset>=1'],
    epoch: ['2026-01-01T00:00:00Z'],
    user: ['root', '0:0', 'nobody:nobody', '4294967296', '-1'],
    cwd: ['/', '/tmp', 'nowhere', '/../..'],
    env: ['A=b', '=', 'A'],
  }
})
afterAll(() => scope.disposeAsync())

test('whatever is asked of any verb is answered, as declared or with a failure, and the node is as well as before', async () => {
  const before = { ...(await vitals()), health: await health() }
  const verbs = new Map([...found].map(([verb, { takes }]): [string, Schema] => [verb, takes as Schema]))
  const batch = fc.array(oddRequests(verbs, known), { minLength: 16, maxLength: 32 })
  await fc.assert(
    fc.asyncProperty(batch, async (odd) => {
      expect((await Promise.all(odd.map(answered))).flat()).toEqual([])
    }),
    { ...bounded({ runs: 200, ms: 8_000 }), endOnFailure: true },
  )
  await ask('node.drain', { undo: true })
  expect(complained(node.log())).toEqual([])
  expect(await health()).toEqual(before.health)
  const after = await vitals()
  expect(after.memory - before.memory).toBeLessThan(512 * 1024 * 1024)
  expect(after.threads).toBeLessThanOrEqual(before.threads + 4)
  await consistent()
  await works()
}, 3_600_000)

/** Send one, wait for the first word of the answer, and say what is wrong with it. */
async function answered(odd: Odd): Promise<string[]> {
  const { payload, headers } = packed({ ...odd, value: harmless(odd.verb, odd.value, sandbox) })
  for (const subject of aside()) client.send(subject, payload.subarray(0, 1_000), { headers })
  const subject = odd.verb === 'blob' ? blob : `gantry.${node.name}.${odd.verb}`
  const call = `odd-${Math.random()}`
  const sent = { 'Gantry-Call': call, ...odd.headers, ...headers }
  const room = client.maxPayload - 16 * 1024
  const bytes = payload.subarray(0, room)
  if (!odd.answered) {
    client.send(subject, bytes, { headers: sent })
    return []
  }
  const inbox = client.inbox()
  const heard = client.listen(inbox)
  client.send(subject, bytes, { reply: inbox, headers: sent })
  const message = await firstWord(heard)
  heard.stop()
  client.send('gantry.all.bus.cancel', JSON.stringify({ call: sent['Gantry-Call'] }))
  const what = () => `${odd.verb} asked ${bytes.subarray(0, 300)} (${odd.form}, ${JSON.stringify(sent).slice(0, 300)})`
  if (!message) return [`${what()}: no answer`]
  learned(message.payload.length > 0 ? (JSON.parse(message.payload.toString()) as Record<string, unknown>) : {})
  return complaints(found.get(odd.verb) as Found, [message]).map((complaint) => `${complaint} <- ${what()}`)
}

/** Where callers and blobs are spoken of, and nobody answers. */
const aside = () => ['gantry.all.bus.cancel', `gantry.${node.name}.bus.pace`, `${blob}.gained`]

/** A sign of life is none. Who is asked in msgpack answers in it. */
async function firstWord(heard: Heard): Promise<Message | undefined> {
  const until = performance.now() + patience
  for (;;) {
    const message = await heard.next(until - performance.now())
    if (!message || message.headers['Gantry-Heartbeat'] === undefined) return message && legible(message)
  }
}

/** ms; far more than anything takes */
const patience = 20_000

const legible = (message: Message): Message =>
  message.headers['Content-Type'] === 'application/msgpack'
    ? { ...message, payload: Buffer.from(encode(decode(message), 'json')) }
    : message

function learned(reply: Record<string, unknown>): void {
  for (const [what, names] of Object.entries(given)) {
    const name = reply[what]
    if (typeof name === 'string' && names.push(name) > 50) names.shift()
  }
}

/** What a node logs of what it did not expect. */
const complained = (log: string): string[] =>
  log.split('\n').filter((line) => /"level":"(error|fatal)"/.test(line) || (line && !line.startsWith('{')))

async function health(): Promise<string[]> {
  const { threads } = (await ask('node.health', {})) as { threads: { name: string }[] }
  return threads.map(({ name }) => name).toSorted()
}

async function vitals(): Promise<{ memory: number; threads: number }> {
  const { memory } = await ask('node.info', {})
  return { memory: Number(memory), threads: (await readdir(`/proc/${node.pid}/task`)).length }
}

/** Everything that is listed is there, and is what it was. */
async function consistent(): Promise<void> {
  expect(await ask('image.check', { name: kept })).toEqual({ complete: true, missing: [] })
  const { blobs } = (await ask('content.list', {})) as { blobs: { digest: string; size: number }[] }
  for (const { digest, size } of blobs) expect(await ask('content.verify', { digest })).toEqual({ digest, size })
  for (const driver of ['overlay', 'native']) {
    const { snapshots } = (await ask('snapshot.list', { driver })) as { snapshots: { key: string }[] }
    for (const one of snapshots) expect(await ask('snapshot.stat', { key: one.key, driver })).toEqual(one)
  }
  for (const [verb, of] of [
    ['image.get', 'images'],
    ['container.get', 'containers'],
    ['exec.state', 'tasks'],
    ['lease.get', 'leases'],
    ['ingest.status', 'ingests'],
  ] as const)
    for (const one of (await ask(`${verb.split('.')[0]}.list`, {}))[of] as Record<string, unknown>[])
      expect(await ask(verb, { id: one['id'], name: one['name'], reference: one['reference'] })).toMatchObject({})
}

/** It still does what nodes are for: brings an image, runs it, and lets it go. */
async function works(): Promise<void> {
  const reference = serveImage(registry, 'afterwards', await busyboxImage({ layers: [[{ name: 'afterwards', content: 'afterwards' }]] }))
  await pulled(reference)
  expect(await node.run('ctr', ['run', '--rm', reference, 'cat', '/afterwards'])).toEqual({ stdout: 'afterwards', stderr: '', exitCode: 0 })
  expect(await cleared()).toBe('')
  const findings = await asked('scrub.run', {})
  expect(findings.filter(({ state }) => state === 'damaged')).toEqual([])
}

/** No container is left; what could not be taken away is said. */
async function cleared(): Promise<string> {
  const { containers } = (await ask('container.list', {})) as { containers: { id: string }[] }
  const removed = await Promise.all(containers.map(({ id }) => node.run('ctr', ['containers', 'rm', '--force', id])))
  return removed.map(({ stderr }) => stderr).join('')
}

async function pulled(reference: string): Promise<void> {
  await ask('pull.follow', await ask('pull.start', { reference }))
}

const ask = async (verb: string, request: object): Promise<Record<string, unknown>> => (await asked(verb, request)).at(-1) ?? {}

async function asked(verb: string, request: object): Promise<Record<string, unknown>[]> {
  const words = found.get(verb)?.kind === 'feed' ? ['--wait-for-empty', '--reply-timeout', '30s', '--timeout', '30s'] : []
  const { messages } = await natsCommand(client, ['req', ...words, `gantry.${node.name}.${verb}`, JSON.stringify(request)])
  if (messages.length === 0 || codeOf(messages))
    throw new Error(`${verb} ${JSON.stringify(request)}: ${messages.map(({ payload }) => payload)}`)
  return messages
    .filter(({ payload }) => payload.length > 0)
    .map(({ payload }) => JSON.parse(payload.toString()) as Record<string, unknown>)
}
