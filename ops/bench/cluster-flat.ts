import { startOrigin } from '../lab/origin.ts'
import { randomImage, sizeOf } from './cluster-images.ts'
import { benchCluster } from './cluster-nodes.ts'

/** What a registry sends when so many pull the same at once. */
export interface Flat {
  readonly nodes: number
  readonly origin: number
  readonly image: number
  readonly requests: number
  /** until the last had it */
  readonly ms: number
}

export async function measureFlat({ counts, scratch }: { counts: readonly number[]; scratch: string }): Promise<Flat[]> {
  await using cluster = await benchCluster(Math.max(...counts), { scratch })
  const rows: Flat[] = []
  for (const nodes of counts) {
    await using origin = await startOrigin()
    const image = await randomImage(20e6, 2)
    const reference = origin.serve('library/flat', image)
    const ms = await Promise.all(cluster.names.slice(0, nodes).map((name) => cluster.pull(name, reference, { unpack: false })))
    rows.push({ nodes, origin: origin.sent(), image: sizeOf(image), requests: origin.requests(), ms: Math.max(...ms) })
  }
  return rows
}
