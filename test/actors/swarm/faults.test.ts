import { afterAll, beforeAll, expect, test } from 'vitest'
import { pieceSize, type swarm } from '../../../messages/swarm.ts'
import type { Blob } from '../../../ops/lab/images.ts'
import { startOrigin } from '../../../ops/lab/origin.ts'
import { listen } from '../../../runtime/bus/listen.ts'
import { startNats } from '../../support/nats.ts'
import { type PeerInit, startPeer } from './peer.ts'
import { aBlob, type Cluster, fromPeers, type Sharing, startCluster, startSharing } from './setup.ts'

let cluster: Cluster
beforeAll(async () => {
  cluster = await startCluster()
})
afterAll(() => cluster[Symbol.asyncDispose]())

test('a node that sends what the piece is not is named, and the blob comes from elsewhere', async () => {
  const blob = aBlob(4 * pieceSize)
  await using _liar = await aPeer('liar', blob, { read: (bytes) => bytes.map((byte) => byte ^ 1) })
  await using node = await cluster.join('honest')
  await using blamed = listen<typeof swarm, 'blamed'>(node.bus, { node: 'honest', actor: 'swarm', fact: 'blamed' })
  await blamed.ready
  const sources = await node.bring(cluster.serve(blob), blob)
  expect(sources).toEqual({ origin: blob.descriptor.size, peers: {} })
  for await (const { data } of blamed) {
    expect(data).toMatchObject({ digest: blob.descriptor.digest, sender: 'liar' })
    break
  }
  await isWhole(node, blob)
})

test('one liar among those who have a blob keeps nobody from taking it of the others', async () => {
  const blob = aBlob(8 * pieceSize)
  await using _liar = await aPeer('liar', blob, { read: (bytes) => bytes.map((byte) => byte ^ 1) })
  await using _good = await aPeer('good', blob)
  await using node = await cluster.join('n1')
  const sources = await node.bring(cluster.serve(blob), blob)
  expect(sources).toEqual({ origin: 0, peers: { good: blob.descriptor.size } })
  await isWhole(node, blob)
})

test('who says nothing is waited for, then done without', async () => {
  const blob = aBlob(2 * pieceSize)
  await using _silent = await aPeer('silent', blob, { read: () => new Promise<never>(() => {}) })
  await using node = await cluster.join('n1', { 'swarm.patience': '300' })
  expect(await node.bring(cluster.serve(blob), blob)).toEqual({ origin: blob.descriptor.size, peers: {} })
  await isWhole(node, blob)
})

test('a piece that is slow to come is asked of another too', async () => {
  const blob = aBlob(6 * pieceSize)
  const asked: string[] = []
  await using _slow = await aPeer('slow', blob, { read: () => new Promise<never>(() => {}), asked: () => asked.push('slow') })
  await using _quick = await aPeer('quick', blob, { asked: () => asked.push('quick') })
  await using node = await cluster.join('n1', { 'swarm.patience': '60000' })
  expect(await node.bring(cluster.serve(blob), blob)).toEqual({ origin: 0, peers: { quick: blob.descriptor.size } })
  expect(asked).toContain('slow')
})

test('who answered and is not there any more is done without', async () => {
  const blob = aBlob(2 * pieceSize)
  await using _gone = await aPeer('gone', blob, { serving: false })
  await using node = await cluster.join('n1')
  expect(await node.bring(cluster.serve(blob), blob)).toEqual({ origin: blob.descriptor.size, peers: {} })
})

test('who is too busy is asked again, and not the registry', async () => {
  const blob = aBlob(2 * pieceSize)
  let refused = 0
  await using _busy = await aPeer('busy', blob, {
    read(bytes, fail) {
      if (refused++ < 3) fail()
      return bytes
    },
  })
  await using node = await cluster.join('n1')
  expect(await node.bring(cluster.serve(blob), blob)).toEqual({ origin: 0, peers: { busy: blob.descriptor.size } })
})

test('a map that is not true is found out in the end, and the registry is believed', async () => {
  const blob = aBlob(3 * pieceSize)
  const other = aBlob(3 * pieceSize)
  const false_ = { descriptor: blob.descriptor, bytes: other.bytes }
  await using _forger = await aPeer('forger', false_)
  await using node = await cluster.join('n1')
  await expect(node.bring(cluster.serve(blob), blob)).rejects.toMatchObject({ code: 'failed_precondition', details: { reason: 'digest' } })
})

test('the registry is not asked twice by who was told to give up, and goes on where it was', async () => {
  const blob = aBlob(24 * pieceSize)
  await using node = await cluster.join('n1')
  const leaving = new AbortController()
  const before = cluster.origin.sent()
  const bringing = node.bring(cluster.serve(blob), blob, {
    signal: leaving.signal,
    onProgress: (offset) => offset > 4 * pieceSize && leaving.abort(new Error('enough')),
  })
  await expect(bringing).rejects.toThrow()
  expect(await node.bring(cluster.serve(blob), blob)).toMatchObject({ peers: {} })
  await isWhole(node, blob)
  // what was on its way when it was given up is read again, no more
  expect(cluster.origin.sent() - before).toBeLessThan(blob.descriptor.size + 16 * pieceSize)
})

test('a node without the right to ask the registry lives from one that has', async () => {
  const blob = aBlob(3 * pieceSize)
  await using one = await cluster.join('n1')
  await using two = await cluster.join('n2')
  await one.bring(cluster.serve(blob), blob)
  expect(fromPeers(await two.bring('127.0.0.1:1/not/there:latest', blob))).toBe(blob.descriptor.size)
})

test('when neither the registry nor anybody else has it, the failure is the registry’s', async () => {
  const blob = aBlob(1000)
  await using node = await cluster.join('n1')
  await expect(node.bring(`${cluster.origin.host}/library/none:latest`, blob)).rejects.toMatchObject({ code: 'not_found' })
})

test('a registry without ranges is read by one', async () => {
  await using plain = await startOrigin({ ranges: false, perConnection: 40 * 1024 * 1024 })
  const blob = aBlob(24 * pieceSize)
  plain.serveBlob(blob)
  await using one = await cluster.join('n1')
  await using two = await cluster.join('n2')
  const name = `${plain.host}/library/plain:latest`
  const sources = await Promise.all([one.bring(name, blob), two.bring(name, blob)])
  await isWhole(one, blob)
  await isWhole(two, blob)
  expect(sources[0].origin + sources[1].origin).toBe(blob.descriptor.size)
})

test('without JetStream everybody reads what nobody has', async () => {
  await using bare = await startNats()
  await using one = await startSharing(await bare.connect(), 'n1')
  await using two = await startSharing(await bare.connect(), 'n2')
  const blob = aBlob(3 * pieceSize)
  await Promise.all([one.bring(cluster.serve(blob), blob), two.bring(cluster.serve(blob), blob)])
  await isWhole(one, blob)
  await isWhole(two, blob)
})

const aPeer = async (node: string, blob: Blob, init?: PeerInit) => startPeer(await cluster.nats.connect(), { node, blob, ...init })

async function isWhole(node: Sharing, { descriptor: { digest, size } }: Blob): Promise<void> {
  expect(await node.content.verify({ digest }, { timeoutMs: 30_000 })).toEqual({ digest, size })
}
