import { randomBytes } from 'node:crypto'
import { open, unlink, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { askOverBus } from '../../../actors/swarm/bus/asking.ts'
import { loopbackName } from '../../../actors/swarm/direct/address.ts'
import { openConnection } from '../../../actors/swarm/direct/connection.ts'
import { agreed } from '../../../messages/agreed.ts'
import { blobSubject, isFailure } from '../../../messages/grammar/index.ts'
import { pieceSize, type swarm } from '../../../messages/swarm.ts'
import { digestToken } from '../../../messages/words/index.ts'
import type { Blob } from '../../../ops/lab/images.ts'
import { openBucket } from '../../../runtime/bus/bucket.ts'
import { client } from '../../../runtime/bus/client.ts'
import { listen } from '../../../runtime/bus/listen.ts'
import { tellRoom } from '../../../runtime/bus/room.ts'
import { startPeer } from './peer.ts'
import { aBlob, type Cluster, type Sharing, startCluster, startSharing } from './setup.ts'

const { signal } = new AbortController()
let cluster: Cluster

beforeAll(async () => {
  cluster = await startCluster()
})
afterAll(() => cluster[Symbol.asyncDispose]())

test.each([
  ['another size', { size: 5 * pieceSize }],
  ['pieces and hashes without end', { complete: false, pieces: new Uint8Array(300_000).fill(255), map: new Uint8Array(600_000).fill(7) }],
  ['hashes that are none', { map: new Uint8Array(7).fill(7) }],
])('who says it has %s keeps nobody from the blob', async (_, says) => {
  const blob = aBlob(3 * pieceSize + 5)
  await using _liar = await startPeer(await cluster.nats.connect(), {
    node: 'liar',
    blob,
    says,
    read: () => new Uint8Array(randomBytes(100)),
  })
  await using node = await cluster.join('n1', { 'swarm.patience': '1000' })
  expect(await node.bring(cluster.serve(blob), blob)).toEqual({ origin: blob.descriptor.size, peers: {} })
  await isWhole(node, blob)
})

test('who floods the room with pieces that are none is heard, and nothing else', async () => {
  const blob = aBlob(6 * pieceSize)
  const flooding = await cluster.nats.connect()
  const told = blobSubject(flooding.root, digestToken(blob.descriptor.digest), 'gained')
  await using node = await cluster.join('n1')
  const flood = setInterval(() => {
    for (let index = 0; index < 20; index++) {
      tellRoom(flooding, told, { node: `x-${index}-${Date.now() % 1000}`, piece: 1e9 + index, sha256: new Uint8Array(1_000) })
      tellRoom(flooding, told, { node: 'x'.repeat(1_000), piece: -1 })
      tellRoom(flooding, told, 'nonsense')
    }
  }, 5)
  try {
    expect(await node.bring(cluster.serve(blob), blob)).toEqual({ origin: blob.descriptor.size, peers: {} })
  } finally {
    clearInterval(flood)
  }
  await isWhole(node, blob)
})

test('whose bytes are flipped now and then is done without, and named once it is known', async () => {
  const blob = aBlob(8 * pieceSize)
  await using _good = await startPeer(await cluster.nats.connect(), { node: 'good', blob })
  let sent = 0
  const flip = (bytes: Uint8Array<ArrayBuffer>) => (sent++ % 2 === 0 ? bytes : bytes.map((byte, at) => (at === 9 ? byte ^ 1 : byte)))
  await using _bad = await startPeer(await cluster.nats.connect(), { node: 'bad', blob, read: flip })
  await using node = await cluster.join('n1')
  const { origin: fromOrigin } = await node.bring(cluster.serve(blob), blob)
  expect(fromOrigin).toBe(0)
  await isWhole(node, blob)
})

test('what somebody is said to have is asked of it before it is read again; one that is not there, or does not have it, is not waited for', async () => {
  const blob = aBlob(5 * pieceSize)
  const bus = await cluster.nats.connect()
  const bucket = await openBucket<unknown>(bus, agreed.claims)
  const key = digestToken(blob.descriptor.digest)
  const held = ['mute', 'ghost'].map((node) => ({ node, pieces: Uint8Array.of(0xff) }))
  await bucket?.create(key, { claims: [], held })
  await using peer = await startPeer(await cluster.nats.connect(), { node: 'mute', blob, answering: false })
  await using one = await startSharing(bus, 'n1')
  expect(await one.bring(cluster.serve(blob), blob)).toEqual({ origin: 0, peers: { mute: blob.descriptor.size } })
  await isWhole(one, blob)

  await peer[Symbol.asyncDispose]()
  await one[Symbol.asyncDispose]()
  await using two = await cluster.join('n2')
  expect(await two.bring(cluster.serve(blob), blob)).toEqual({ origin: blob.descriptor.size, peers: {} })
})

test('a claim of a node that is not there, though somebody renews it, holds nobody up', async () => {
  const blob = aBlob(2 * pieceSize)
  const bus = await cluster.nats.connect()
  const bucket = await openBucket<unknown>(bus, agreed.claims)
  const key = digestToken(blob.descriptor.digest)
  let beat = 0
  let revision = await bucket?.create(key, { claims: [{ node: 'ghost', from: 0, to: 2, beat }] })
  const renewing = setInterval(async () => {
    if (revision !== undefined)
      revision = await bucket?.update(key, { claims: [{ node: 'ghost', from: 0, to: 2, beat: ++beat }] }, revision)
  }, 200)
  await using node = await startSharing(bus, 'n1')
  try {
    expect(await node.bring(cluster.serve(blob), blob)).toEqual({ origin: blob.descriptor.size, peers: {} })
  } finally {
    clearInterval(renewing)
  }
})

test('a blob that is not what its digest says is said to be whole by nobody, and who vouched for it is named', async () => {
  const blob = aBlob(3 * pieceSize)
  const forged: Blob = { descriptor: blob.descriptor, bytes: aBlob(3 * pieceSize).bytes }
  await using _forger = await startPeer(await cluster.nats.connect(), { node: 'forger', blob: forged })
  await using node = await cluster.join('n1')
  const { digest, size } = blob.descriptor
  await using blamed = listen<typeof swarm, 'blamed'>(node.bus, { node: 'n1', actor: 'swarm', fact: 'blamed' })
  await blamed.ready
  await expect(node.bring(cluster.serve(blob), blob)).rejects.toMatchObject({ details: { reason: 'digest' } })
  expect(await node.swarm.have({ digest })).toMatchObject({ complete: false })

  const ingest = client<typeof import('../../../messages/ingest.ts').ingest>(node.bus, { node: 'n1', actor: 'ingest' })
  const { token, path } = await ingest.open({ reference: digest, expected: digest, total: size })
  const { offset } = await ingest.truncate({ token })
  const request = { name: cluster.serve(blob), descriptor: blob.descriptor, token, path, offset, from: 'registry' as const }
  for await (const _ of node.swarm.bring(request));
  for await (const { data } of blamed) {
    expect(data).toMatchObject({ digest, sender: 'forger' })
    break
  }
  await expect(node.swarm.have({ digest })).rejects.toMatchObject({ code: 'not_found' })
  await ingest.commit({ token, size, digest })
  await expect.poll(async () => await node.swarm.have({ digest }).catch(() => undefined)).toMatchObject({ size })
})

test('a blob that was taken away behind its back is offered no more', async () => {
  const blob = aBlob(2 * pieceSize)
  await using one = await cluster.join('n1')
  await using two = await cluster.join('n2')
  await one.bring(cluster.serve(blob), blob)
  await unlink(fileOf(one, blob))
  expect(await two.bring(cluster.serve(blob), blob)).toEqual({ origin: blob.descriptor.size, peers: {} })
  await expect(one.swarm.have({ digest: blob.descriptor.digest })).rejects.toMatchObject({ code: 'not_found' })
  await isWhole(two, blob)
})

test('a blob that was cut behind its back harms nobody', async () => {
  const blob = aBlob(2 * pieceSize)
  await using one = await cluster.join('n1')
  await using two = await cluster.join('n2', { 'swarm.patience': '2000' })
  await one.bring(cluster.serve(blob), blob)
  await writeFile(fileOf(one, blob), '')
  await two.bring(cluster.serve(blob), blob)
  await isWhole(two, blob)
})

test('a blob that was damaged behind its back is found out by its digest, offered no more, and had from the registry', async () => {
  const blob = aBlob(2 * pieceSize)
  await using one = await cluster.join('n1')
  await using two = await cluster.join('n2')
  await one.bring(cluster.serve(blob), blob)
  await damage(fileOf(one, blob))
  // By who hashes its pieces for the first time, or by who gets them, whichever is first.
  await two.bring(cluster.serve(blob), blob).catch((error: unknown) => {
    if (!isFailure(error, 'failed_precondition')) throw error
    return two.bring(cluster.serve(blob), blob, { from: 'registry' })
  })
  await isWhole(two, blob)
  await expect
    .poll(() => one.swarm.have({ digest: blob.descriptor.digest }).catch((error: unknown) => error))
    .toMatchObject({ code: 'not_found' })
})

test('a blob damaged after others had a part in it is found out piece by piece', async () => {
  const blob = aBlob(2 * pieceSize)
  await using one = await cluster.join('n1')
  await using two = await cluster.join('n2')
  await using three = await cluster.join('n3')
  await Promise.all([one.bring(cluster.serve(blob), blob), two.bring(cluster.serve(blob), blob)])
  await damage(fileOf(one, blob))
  await three.bring(cluster.serve(blob), blob)
  await isWhole(three, blob)
})

test('a thousand who ask one node for a MiB each at once have it, all of it right', async () => {
  const blob = aBlob(16 * pieceSize)
  await using node = await cluster.join('n1')
  await node.bring(cluster.serve(blob), blob)
  const { digest } = blob.descriptor
  const asking = await cluster.nats.connect()
  const other = client<typeof swarm>(asking, { node: 'n1', actor: 'swarm' })
  const loopback = await loopbackName()
  const connections = await Promise.all(
    Array.from({ length: 9 }, async () => await openConnection(await other.connect({ digest, loopback }), { signal })),
  )
  const overBus = askOverBus(asking)
  const reads = Array.from({ length: 1_000 }, async (_, index) => {
    const offset = (index % 16) * pieceSize
    const connection = connections[index % 10]
    const bytes = connection
      ? await connection.read(offset, pieceSize, { signal })
      : await overBus.read('n1', { digest, offset, length: pieceSize }, { signal })
    return Buffer.compare(bytes, blob.bytes.subarray(offset, offset + pieceSize)) === 0
  })
  expect((await Promise.all(reads)).filter(Boolean)).toHaveLength(1_000)
  for (const connection of connections) connection[Symbol.dispose]()
}, 60_000)

const fileOf = ({ root }: Sharing, { descriptor }: Blob): string => join(root, 'content', 'blobs', ...descriptor.digest.split(':'))

async function damage(path: string): Promise<void> {
  await using file = await open(path, 'r+')
  await file.write(Buffer.from('not what it was'), 0, 15, pieceSize + 100)
}

async function isWhole(node: Sharing, { descriptor: { digest, size } }: Blob): Promise<void> {
  expect(await node.content.verify({ digest }, { timeoutMs: 30_000 })).toEqual({ digest, size })
}
