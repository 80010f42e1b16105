/** Whatever goes wrong between nodes, or with the registry, every node ends with the right bytes, and the registry is hardly read twice. */
import { randomBytes } from 'node:crypto'
import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as later } from 'node:timers/promises'
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest'
import type { Agreement } from '../../actors/swarm/claims.ts'
import { blobSubject } from '../../messages/grammar/index.ts'
import { protocols } from '../../messages/index.ts'
import { type Gained, pieceSize, type swarm } from '../../messages/swarm.ts'
import { digestToken } from '../../messages/words/index.ts'
import { type Blob, makeImage, makeLayer } from '../../ops/lab/images.ts'
import { type Origin, startOrigin } from '../../ops/lab/origin.ts'
import { openBucket } from '../../runtime/bus/bucket.ts'
import type { Bus } from '../../runtime/bus/bus.ts'
import { client } from '../../runtime/bus/client.ts'
import { decode } from '../../runtime/bus/codec.ts'
import { listen } from '../../runtime/bus/listen.ts'
import { keepEvents } from '../../runtime/bus/stream.ts'
import { hostilities, startHostilePeer } from '../support/hostile-peer.ts'
import { type NatsServer, startNats } from '../support/nats.ts'
import { registryFaults } from '../support/origin-faults.ts'
import { type SharingNode, startSharingNode } from '../support/sharing-node.ts'
import { tempDirectory } from '../support/temp.ts'

/** `GANTRY_TEST_RUNS=1` asks for the whole matrix. */
const whole = process.env['GANTRY_TEST_RUNS'] !== undefined
const moments = whole ? [10, 50, 90] : [50]
const timeout = 120_000

/**
 * What may be read twice when a node is lost: the four pieces it reads in one go when others want the blob too, and as many that it read before and nobody has taken of it
 * yet.
 */
const window = 2 * 4 * pieceSize

const stack = new AsyncDisposableStack()
let nats: NatsServer
let bus: Bus
let origin: Origin
let nodes: readonly SharingNode[]

beforeAll(async () => {
  nats = stack.use(await startNats({ jetstream: true }))
  origin = stack.use(await startOrigin())
  bus = await nats.connect()
  await keepEvents(bus, { protocols })
  const start = async (name: string) => {
    const { path: root } = stack.use(await tempDirectory())
    return stack.use(await startSharingNode(bus, { nats: nats.url, root, name }))
  }
  nodes = await Promise.all(['n1', 'n2', 'n3', 'n4'].map(start))
}, timeout)
afterAll(() => stack.disposeAsync(), timeout)
afterEach(() => origin.fail(undefined))

for (const turns of whole ? hostilities : (['lying', 'dying'] as const)) {
  for (const moment of whole ? [0, ...moments] : moments) {
    test(`a peer that is ${turns} from ${moment} % on`, { timeout }, async () => {
      const { blob, reference } = await anImage()
      await using blamed = listen<typeof swarm, 'blamed'>(bus, { actor: 'swarm', fact: 'blamed' })
      await blamed.ready
      const after = Math.floor((blob.descriptor.size * moment) / 100)
      // who lied once is avoided for a while, by its name
      const node = `${turns}-${moment}`
      await using _peer = await startHostilePeer(await nats.connect(), { node, blob, turns, after })
      await Promise.all(nodes.map((one) => one.pull(reference)))
      await allHave(blob)
      expect(readTwice(blob)).toBeLessThanOrEqual(window)
      if (turns !== 'lying') return
      for await (const { data } of blamed) {
        if (data.digest !== blob.descriptor.digest) continue
        expect(data.sender).toBe(node)
        break
      }
    })
  }
}

for (const moment of moments) {
  test(`who reads from the registry is killed at ${moment} %, and comes back`, { timeout }, async () => {
    const { blob, reference } = await anImage()
    const { victim, others, its } = await atMoment(reference, blob, moment, async (node) => await node.kill())
    await Promise.all(others)
    await victim.restart()
    await its
    await allHave(blob)
    expect(readTwice(blob)).toBeLessThanOrEqual(window)
  })
}

for (const moment of whole ? moments : []) {
  test(`who reads from the registry is frozen at ${moment} %, and thaws when the others are done`, { timeout }, async () => {
    const { blob, reference } = await anImage()
    const { victim, others, its } = await atMoment(reference, blob, moment, async (node) => node.freeze())
    await Promise.all(others)
    victim.thaw()
    await its
    await allHave(blob)
    expect(readTwice(blob)).toBeLessThanOrEqual(window)
  })
}

for (const moment of moments) {
  test(`the store of who has a blob is wiped behind its back at ${moment} %`, { timeout }, async () => {
    const { blob, reference } = await anImage()
    const { digest, size } = blob.descriptor
    const [first, ...rest] = nodes as [SharingNode, ...SharingNode[]]
    await first.pull(reference)
    await using gained = await gaining(blob, rest)
    const pulled = rest.map((node) => node.pull(reference))
    await gained.reached(moment)
    await rm(join(first.root, 'content', 'blobs', ...digest.split(':')))
    const nowhere = size - gained.pieces.size * pieceSize
    await Promise.all(pulled)
    expect(readTwice(blob) - nowhere).toBeLessThanOrEqual(window)
    await first.remove(digest)
    await first.pull(reference)
    await allHave(blob)
  })
}

for (const [what, fault] of Object.entries(registryFaults)) {
  for (const moment of whole ? moments : []) {
    test(`the registry ${what} at ${moment} %`, { timeout }, async () => {
      const { blob, reference } = await anImage()
      await using hold = holding(blob, moment)
      const pulled = nodes.map((node) => node.pull(reference))
      await hold.reached
      fault(origin)
      hold.release()
      await Promise.all(pulled)
      await allHave(blob)
      expect(readTwice(blob)).toBeLessThanOrEqual(window)
    })
  }
}

for (const awayMs of whole ? [0, 30_000] : [0]) {
  for (const moment of moments) {
    test(`the NATS server is killed at ${moment} %, and is back after ${awayMs / 1000} s`, { timeout }, async () => {
      const { blob, reference } = await anImage()
      await using hold = holding(blob, moment)
      const pulled = nodes.map((node) => node.pull(reference))
      await hold.reached
      await nats.kill()
      hold.release()
      await later(awayMs)
      await nats.restart()
      await Promise.all(pulled)
      await allHave(blob)
      // each of them was reading
      expect(readTwice(blob)).toBeLessThanOrEqual(nodes.length * window)
    })
  }
}

test('a node that is asked for a lot at once answers all of it, and right', { timeout }, async () => {
  const { blob, reference } = await anImage()
  await nodes[0]?.pull(reference)
  const { digest, size } = blob.descriptor
  const one = client<typeof swarm>(bus, { node: 'n1', actor: 'swarm' }, { timeoutMs: timeout })
  const part = pieceSize / 2
  const isRight = async (_: unknown, index: number): Promise<boolean> => {
    const offset = (index * part) % size
    const { bytes } = await one.read({ digest, offset, length: part })
    return Buffer.compare(bytes, blob.bytes.subarray(offset, offset + part)) === 0
  }
  const asked = Array.from({ length: whole ? 2_000 : 200 }, isRight)
  expect((await Promise.all(asked)).filter((right) => !right)).toEqual([])
})

/** An image of one layer, at the registry. */
async function anImage(): Promise<{ blob: Blob; reference: string }> {
  const blob = await makeLayer({ tar: randomBytes(24 * pieceSize), compression: 'none' })
  return { blob, reference: origin.serve('library/faults', await makeImage({ layers: [blob] }), blob.descriptor.digest.slice(-12)) }
}

async function allHave({ descriptor }: Blob): Promise<void> {
  await Promise.all(nodes.map((node) => node.verify(descriptor.digest)))
}

/** Bytes the registry sent more than once. */
const readTwice = ({ descriptor: { digest } }: Blob): number => origin.sentAgain(digest)

function holding({ descriptor }: Blob, moment: number): { reached: Promise<void>; release: () => void } & AsyncDisposable {
  const hold = origin.hold(descriptor.digest, Math.floor((descriptor.size * moment) / 100))
  return { ...hold, [Symbol.asyncDispose]: async () => hold.release() }
}

/** All pull an image; when so much was read from the registry, something is done to one who reads there. */
async function atMoment(reference: string, blob: Blob, moment: number, work: (node: SharingNode) => Promise<void>) {
  await using hold = holding(blob, moment)
  const pulled = new Map(nodes.map((node) => [node.name, node.pull(reference)]))
  for (const one of pulled.values()) one.catch(() => {})
  await hold.reached
  const victim = await aReader(blob)
  await work(victim)
  const others = [...pulled].filter(([name]) => name !== victim.name).map(([, one]) => one)
  return { victim, others, its: pulled.get(victim.name) }
}

/** One of those who claim pieces of a blob at the moment. */
async function aReader({ descriptor: { digest } }: Blob): Promise<SharingNode> {
  const bucket = await openBucket<Agreement>(bus, { name: 'claims', ttlMs: 60_000, kept: false })
  const agreed = await bucket?.get(digestToken(digest))
  const reader = nodes.find(({ name }) => agreed?.value?.claims.some((claim) => claim.node === name))
  if (!reader) throw new Error(`nobody reads ${digest} from its registry`)
  return reader
}

/** What nodes tell that they gained of a blob. */
async function gaining({ descriptor: { digest, size } }: Blob, who: readonly SharingNode[]) {
  const all = new Set<string>()
  const pieces = new Set<number>()
  let wake = (): void => {}
  const interest = bus.subscribe(blobSubject(bus.root, digestToken(digest), 'gained'), (delivery) => {
    const { node, piece } = decode(delivery) as Gained
    if (piece === undefined || !who.some(({ name }) => name === node)) return
    all.add(`${node} ${piece}`)
    pieces.add(piece)
    wake()
  })
  await interest.ready
  return {
    /** those any of them has */
    pieces,
    async reached(percent: number) {
      const wanted = (Math.ceil(size / pieceSize) * who.length * percent) / 100
      while (all.size < wanted) await new Promise<void>((resolve) => (wake = resolve))
    },
    [Symbol.asyncDispose]: () => interest[Symbol.asyncDispose](),
  }
}
