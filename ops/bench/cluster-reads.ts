import { pieceSize, type swarm } from '../../messages/swarm.ts'
import { client } from '../../runtime/bus/client.ts'
import type { Layer } from '../lab/images.ts'
import { startOrigin } from '../lab/origin.ts'
import { randomImage } from './cluster-images.ts'
import { type BenchCluster, benchCluster } from './cluster-nodes.ts'

/** Reads of one node, all at once. */
export interface Reads {
  readonly count: number
  /** those that brought the bytes they should */
  readonly right: number
  readonly failed: number
  readonly ms: number
  readonly cpuMs: number
}

/** Bytes of one answer. */
const part = pieceSize / 2

export async function measureReads({ counts, scratch }: { counts: readonly number[]; scratch: string }): Promise<Reads[]> {
  await using origin = await startOrigin()
  await using cluster = await benchCluster(1, { scratch })
  const image = await randomImage(100e6, 1)
  await cluster.pull('n1', origin.serve('library/read', image), { unpack: false })
  const rows: Reads[] = []
  for (const count of counts) for (const layer of image.layers) rows.push(await readAll(cluster, layer, count))
  return rows
}

async function readAll(cluster: BenchCluster, { descriptor: { digest, size }, bytes }: Layer, count: number): Promise<Reads> {
  const node = client<typeof swarm>(cluster.bus, { node: 'n1', actor: 'swarm' }, { timeoutMs: 120_000 })
  const isRight = async (offset: number): Promise<boolean> => {
    const read = await node.read({ digest, offset, length: part })
    return Buffer.compare(read.bytes, bytes.subarray(offset, offset + part)) === 0
  }
  const one = async (_: unknown, index: number): Promise<boolean> => {
    const piece = (index % Math.floor(size / pieceSize)) * pieceSize
    return (await Promise.all([isRight(piece), isRight(piece + part)])).every(Boolean)
  }
  const before = await cluster.used()
  const began = performance.now()
  const done = await Promise.allSettled(Array.from({ length: count }, one))
  const ms = performance.now() - began
  const right = done.filter((read) => read.status === 'fulfilled' && read.value).length
  return { count, right, failed: count - right, ms, cpuMs: (await cluster.used()).cpuMs - before.cpuMs }
}
