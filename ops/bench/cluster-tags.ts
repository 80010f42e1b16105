import type { Freshness, tag } from '../../messages/tag.ts'
import type { Digest } from '../../messages/words/index.ts'
import { client } from '../../runtime/bus/client.ts'
import type { Image } from '../lab/images.ts'
import { type Origin, startOrigin } from '../lab/origin.ts'
import { randomImage } from './cluster-images.ts'
import { type BenchCluster, benchCluster } from './cluster-nodes.ts'

/** What came of asking all nodes at once what a tag stands for. */
export interface Asked {
  readonly how: string
  /** of the registry, for the tag */
  readonly requests: number
  readonly answers: number
  /** answers with what it stands for now, and with what it stood for before */
  readonly fresh: number
  readonly old: number
  /** answers that said of themselves that they are older than was wanted */
  readonly stale: number
}

/** Move a tag under nodes that ask for it in every way there is. */
export async function measureTags({ nodes, scratch }: { nodes: number; scratch: string }): Promise<Asked[]> {
  await using origin = await startOrigin()
  await using cluster = await benchCluster(nodes, { scratch })
  const [before, now] = [await randomImage(1000, 1), await randomImage(1000, 1)]
  const reference = origin.serve('library/tagged', before)
  const ask = (how: string, of: Image, freshness: Freshness) =>
    resolveAll({ cluster, origin, reference, current: of.manifest.descriptor.digest }, how, freshness)
  const rows = [await ask('first', before, {})]
  origin.serve('library/tagged', now)
  rows.push(await ask('moved, an answer of the last minute will do', now, { maxAgeMs: 60_000 }))
  rows.push(await ask('moved', now, {}))
  origin.fail((_, response) => void response.writeHead(503).end() === undefined)
  rows.push(await ask('the registry is out of order, an answer of the last hour will do then', now, { staleIfErrorMs: 3_600_000 }))
  rows.push(await ask('the registry is out of order', now, {}))
  return rows
}

interface Asking {
  readonly cluster: BenchCluster
  readonly origin: Origin
  readonly reference: string
  readonly current: Digest
}

async function resolveAll({ cluster, origin, reference, current }: Asking, how: string, freshness: Freshness): Promise<Asked> {
  origin.reset()
  const asked = cluster.names.map((node) =>
    client<typeof tag>(cluster.bus, { node, actor: 'tag' }, { timeoutMs: 60_000 }).resolve({ reference, ...freshness }),
  )
  const settled = await Promise.allSettled(asked)
  const answers = settled.flatMap((one) => (one.status === 'fulfilled' ? [one.value] : []))
  const fresh = answers.filter(({ descriptor }) => descriptor.digest === current).length
  return {
    how,
    requests: origin.requests(undefined, /\/manifests\//),
    answers: answers.length,
    fresh,
    old: answers.length - fresh,
    stale: answers.filter(({ stale }) => stale).length,
  }
}
