import { startOrigin } from '../lab/origin.ts'
import { randomImage, sizeOf } from './cluster-images.ts'
import { type BenchCluster, benchCluster } from './cluster-nodes.ts'

/** 100 MB in one layer from a registry that gives a connection 10 MB/s. */
export interface Capped {
  readonly how: string
  readonly ms: readonly number[]
  readonly goalMs?: number
  readonly origin: number
  readonly image: number
  readonly requests: number
}

const perConnection = 10e6

/** One alone; then all at once, from a registry that has no ranges and from one that has. */
export async function measureCapped({ nodes, scratch }: { nodes: number; scratch: string }): Promise<Capped[]> {
  await using cluster = await benchCluster(nodes, { scratch })
  const all = cluster.names
  const one = all.slice(0, 1)
  return [
    { how: '1 node alone', ...(await pulled(cluster, one, { ranges: true })) },
    { how: `${nodes} nodes, no ranges: one reads for all`, goalMs: 12_000, ...(await pulled(cluster, all, { ranges: false })) },
    { how: `${nodes} nodes, each some of it`, goalMs: 4_000, ...(await pulled(cluster, all, { ranges: true })) },
  ]
}

async function pulled(
  cluster: BenchCluster,
  names: readonly string[],
  { ranges }: { ranges: boolean },
): Promise<Omit<Capped, 'how' | 'goalMs'>> {
  await using origin = await startOrigin({ perConnection, ranges })
  const image = await randomImage(100e6, 1)
  const reference = origin.serve('library/capped', image)
  const ms = await Promise.all(names.map((name) => cluster.pull(name, reference, { unpack: false })))
  return { ms, origin: origin.sent(), image: sizeOf(image), requests: origin.requests('GET', /blobs/) }
}
