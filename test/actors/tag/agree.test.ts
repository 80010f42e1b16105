import { afterAll, beforeAll, expect, test } from 'vitest'
import { type AgreeComponents, type Asked, agreeOn, type Entry, keyOf } from '../../../actors/tag/agree.ts'
import { shareName, unshareName } from '../../../actors/tag/share.ts'
import { Failure } from '../../../messages/grammar/index.ts'
import type { Descriptor } from '../../../messages/words/index.ts'
import { type Bucket, openBucket } from '../../../runtime/bus/bucket.ts'
import { noLog } from '../../../runtime/no-log.ts'
import { type NatsServer, startNats } from '../../support/nats.ts'

let nats: NatsServer

beforeAll(async () => {
  nats = await startNats({ jetstream: true })
})
afterAll(() => nats[Symbol.asyncDispose]())

test('ten nodes that ask at once have one of them ask the registry, and all have its answer', async () => {
  const registry = aRegistry()
  const nodes = await Promise.all(Array.from({ length: 10 }, (_, index) => aNode(`n${index}`, registry)))
  const answers = await Promise.all(nodes.map((node) => node.resolve('r/once:latest')))
  expect(registry.asked).toBe(1)
  expect(new Set(answers.map(({ descriptor }) => descriptor.digest))).toEqual(new Set([registry.now.digest]))
  expect(new Set(answers.map(({ by }) => by)).size).toBe(1)
})

test('what was asked a moment ago is asked again, unless an age is allowed', async () => {
  const registry = aRegistry()
  const [one, two] = [await aNode('n1', registry), await aNode('n2', registry)]
  const first = await one.resolve('r/age:latest')
  registry.now = descriptor('b')
  expect((await two.resolve('r/age:latest', { maxAgeMs: 60_000 })).descriptor).toEqual(first.descriptor)
  expect(registry.asked).toBe(1)
  expect((await two.resolve('r/age:latest')).descriptor).toEqual(registry.now)
  expect(registry.asked).toBe(2)
  expect(two.told).toEqual([['moved', { name: 'r/age:latest', digest: registry.now.digest, previous: first.descriptor.digest }]])
})

test('while the registry is away what is known will do, if that is allowed, and says how old it is', async () => {
  const registry = aRegistry()
  const node = await aNode('n1', registry)
  await node.resolve('r/away:latest')
  node.pass(5_000)
  registry.why = new Failure('unavailable', 'nobody there')
  await expect(node.resolve('r/away:latest')).rejects.toMatchObject({ code: 'unavailable' })
  await expect(node.resolve('r/away:latest', { staleIfErrorMs: 1_000 })).rejects.toMatchObject({ code: 'unavailable' })
  expect(await node.resolve('r/away:latest', { staleIfErrorMs: 60_000 })).toMatchObject({ stale: true, why: 'nobody there' })
  expect((await node.resolve('r/away:latest', { staleIfErrorMs: 60_000 })).ageMs).toBeGreaterThanOrEqual(5_000)
})

test('that there is no such name is an answer, whatever was known', async () => {
  const registry = aRegistry()
  const node = await aNode('n1', registry)
  await node.resolve('r/gone:latest')
  registry.why = new Failure('not_found', 'no such name')
  await expect(node.resolve('r/gone:latest', { staleIfErrorMs: 60_000 })).rejects.toMatchObject({ code: 'not_found' })
})

test('those who wait hear why the registry could not be asked', async () => {
  const registry = aRegistry()
  const nodes = await Promise.all(Array.from({ length: 5 }, (_, index) => aNode(`n${index}`, registry)))
  registry.why = new Failure('unauthenticated', 'who are you')
  const ends = await Promise.allSettled(nodes.map((node) => node.resolve('r/private:latest')))
  for (const end of ends) expect(end).toMatchObject({ status: 'rejected', reason: { code: 'unauthenticated' } })
})

test('a name that is shared is answered with no registry, until it is not', async () => {
  const registry = aRegistry()
  const [one, two] = [await aNode('n1', registry), await aNode('n2', registry)]
  const mine = descriptor('c')
  await one.share('mine:latest', mine)
  expect(await two.resolve('mine:latest')).toMatchObject({ descriptor: mine, source: 'shared', by: 'n1' })
  expect(registry.asked).toBe(0)
  expect((await two.resolve('mine:latest', { requireUpstream: true })).descriptor).toEqual(registry.now)
  // what the registry says does not take the name away from who shares it
  expect(await two.resolve('mine:latest')).toMatchObject({ source: 'shared' })
  await two.unshare('mine:latest')
  expect(await one.resolve('mine:latest')).toMatchObject({ source: 'registry' })
  await expect(two.unshare('mine:latest')).rejects.toMatchObject({ code: 'not_found' })
})

test('one who died while asking holds nobody up', async () => {
  const registry = aRegistry()
  const node = await aNode('n1', registry)
  const asked = (await openBucket<Asked>(await nats.connect(), { name: 'asked', ttlMs: 1_000, kept: false })) as Bucket<Asked>
  await asked.create(keyOf('r/died:latest'), { node: 'dead' })
  expect((await node.resolve('r/died:latest')).descriptor).toEqual(registry.now)
})

test('without JetStream each asks for itself', async () => {
  const registry = aRegistry()
  const components = { node: 'n1', now: Date.now, ask: registry.ask, tell: async () => {}, log: noLog }
  const wanted = { maxAgeMs: 60_000, staleIfErrorMs: 0, requireUpstream: false }
  for (let times = 0; times < 2; times++)
    await agreeOn(components, { name: 'r/alone:latest', digest: undefined, wanted }, { signal: new AbortController().signal })
  expect(registry.asked).toBe(2)
})

test('waiting for another gives up when told to', async () => {
  const node = await aNode('n1', aRegistry())
  const asked = (await openBucket<Asked>(await nats.connect(), { name: 'asked', ttlMs: 1_000, kept: false })) as Bucket<Asked>
  await asked.create(keyOf('r/given-up:latest'), { node: 'slow' })
  const leaving = new AbortController()
  const resolving = node.resolve('r/given-up:latest', {}, leaving.signal)
  leaving.abort(new Error('enough'))
  await expect(resolving).rejects.toThrow('enough')
})

const descriptor = (letter: string): Descriptor => ({
  mediaType: 'application/vnd.oci.image.manifest.v1+json',
  digest: `sha256:${letter.repeat(64)}`,
  size: 7,
})

/** A registry that counts. */
function aRegistry() {
  const registry = {
    asked: 0,
    now: descriptor('a'),
    why: undefined as Failure | undefined,
    async ask() {
      registry.asked++
      await new Promise((resolve) => setImmediate(resolve))
      if (registry.why) throw registry.why
      return { descriptor: registry.now }
    },
  }
  return registry
}

async function aNode(node: string, registry: ReturnType<typeof aRegistry>) {
  const bus = await nats.connect()
  const names = (await openBucket<Entry>(bus, { name: 'tags', kept: true })) as Bucket<Entry>
  const asked = (await openBucket<Asked>(bus, { name: 'asked', ttlMs: 1_000, kept: false })) as Bucket<Asked>
  const told: unknown[] = []
  let passed = 0
  const now = () => Date.now() + passed
  const tell: AgreeComponents['tell'] = async (...words) => void told.push(words)
  const components = { node, now, names, asked, tell, ask: registry.ask, log: noLog, patienceMs: 1_000 }
  return {
    told,
    pass: (ms: number) => void (passed += ms),
    resolve: (name: string, wanted: object = {}, signal = new AbortController().signal) =>
      agreeOn(
        components,
        { name, digest: undefined, wanted: { maxAgeMs: 0, staleIfErrorMs: 0, requireUpstream: false, ...wanted } },
        { signal },
      ),
    share: (name: string, target: Descriptor) => shareName({ ...components, tell: async () => {} }, { name, descriptor: target }),
    unshare: (name: string) => unshareName({ ...components, tell: async () => {} }, name),
  }
}
