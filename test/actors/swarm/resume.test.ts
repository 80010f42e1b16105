import { readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { pieceSize } from '../../../messages/swarm.ts'
import { startPeer } from './peer.ts'
import { aBlob, startCluster } from './setup.ts'

test('what was gathered when a blob was given up, in whatever order, is not gathered again', async () => {
  await using cluster = await startCluster()
  const blob = aBlob(16 * pieceSize)
  const sent = new Map<number, number>()
  let stalling = true
  await using _peer = await startPeer(await cluster.nats.connect(), {
    node: 'peer',
    blob,
    read: (bytes) => (stalling && sent.size > 9 ? new Promise<never>(() => {}) : bytes),
    asked: (offset) => sent.set(Math.floor(offset / pieceSize), (sent.get(Math.floor(offset / pieceSize)) ?? 0) + 1),
  })
  await using node = await cluster.join('n1')
  const leaving = new AbortController()
  const bringing = node.bring('127.0.0.1:1/not/there:latest', blob, { signal: leaving.signal })
  bringing.catch(() => {})
  const { digest, size } = blob.descriptor
  let here = 0
  // It tells in the room what it has: asked until it has what the peer sent before it stalled.
  while (here < 5)
    here = held(
      await node.swarm.have({ digest }).then(
        ({ pieces }) => pieces,
        () => undefined,
      ),
    )
  leaving.abort(new Error('enough'))
  await expect(bringing).rejects.toThrow()
  const before = held((await node.swarm.have({ digest })).pieces)
  expect(before).toBeGreaterThanOrEqual(here)
  stalling = false
  sent.clear()
  const sources = await node.bring('127.0.0.1:1/not/there:latest', blob)
  expect(sources).toEqual({ origin: 0, peers: { peer: size } })
  expect(sent.size).toBeLessThanOrEqual(16 - before)
  expect(await node.content.verify({ digest })).toEqual({ digest, size })
})

test('a server of the bus that is gone for a moment costs what was on its way, no more', async () => {
  await using cluster = await startCluster({ perConnection: 12 * 1024 * 1024 })
  const blob = aBlob(24 * pieceSize)
  const name = cluster.serve(blob)
  await using node = await cluster.join('n1')
  let restarted: Promise<void> | undefined
  const back = Promise.withResolvers<void>()
  using _status = node.bus.onStatus((status) => status === 'connected' && back.resolve())
  const onProgress = (offset: number) => {
    if (offset > 8 * pieceSize) restarted ??= cluster.nats.restart()
  }
  const first = await node.bring(name, blob, { onProgress }).catch(() => 'cut off')
  expect(first).toBe('cut off')
  await Promise.all([restarted, back.promise])
  await node.bring(name, blob)
  expect(cluster.origin.sent(blob.descriptor.digest)).toBeLessThan(blob.descriptor.size + 17 * pieceSize)
  expect(await node.content.verify({ digest: blob.descriptor.digest })).toMatchObject({ size: blob.descriptor.size })
}, 60_000)

test('once a blob is content, nothing of its way is left', async () => {
  await using cluster = await startCluster()
  const blob = aBlob(6 * pieceSize)
  await using _peer = await startPeer(await cluster.nats.connect(), { node: 'peer', blob })
  await using node = await cluster.join('n1')
  await node.bring('127.0.0.1:1/not/there:latest', blob)
  await expect
    .poll(async () => (await readdir(join(node.root, 'content', 'ingest'))).filter((name) => name.endsWith('.pieces')))
    .toEqual([])
})

/** How many bits are set. */
const held = (bits: Uint8Array = new Uint8Array()): number =>
  bits.reduce((sum, byte) => sum + byte.toString(2).replaceAll('0', '').length, 0)
