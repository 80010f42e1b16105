import { readFile } from 'node:fs/promises'
import type { content } from '../../messages/content.ts'
import { type Client, isFailure } from '../../messages/grammar/index.ts'
import type { NodeInfo } from '../../messages/node.ts'
import type { snapshot } from '../../messages/snapshot.ts'
import { drainingOf } from '../../runtime/draining.ts'
import type { Home } from '../../runtime/home.ts'
import { parseLabels } from './labels.ts'

export interface DescribeComponents extends Pick<Home, 'node' | 'root' | 'bus' | 'tables' | 'settings'> {
  readonly content: Pick<Client<typeof content>, 'usage'>
  readonly snapshot: Pick<Client<typeof snapshot>, 'drivers'>
}

/** What this node is. */
export interface Description {
  readonly version: string
  /** How it is now. What it cannot do now, it does not say that it can. */
  now(options: { signal: AbortSignal }): Promise<NodeInfo>
}

/** Fails with invalid_argument when the labels it is set to have are none. */
export async function describe(components: DescribeComponents): Promise<Description> {
  const { node, root, bus, tables, settings, content, snapshot } = components
  const { version } = JSON.parse(await readFile(new URL('../../package.json', import.meta.url), 'utf8')) as { version: string }
  const since = new Date(performance.timeOrigin).toISOString()
  const platform = { os: process.platform, architecture: architectures[process.arch] ?? process.arch }
  const labels = parseLabels(settings['node.labels'])
  const draining = drainingOf(tables)
  const without =
    <T>(answer: T) =>
    (error: unknown) => {
      if (isFailure(error, 'unavailable', 'deadline_exceeded')) return answer
      throw error
    }
  const now = async ({ signal }: { signal: AbortSignal }): Promise<NodeInfo> => {
    const [{ blobs }, { drivers }] = await Promise.all([
      content.usage({}, { signal }).catch(without({ blobs: { count: 0, size: 0 } })),
      snapshot.drivers({}, { signal }).catch(without({ drivers: [] })),
    ])
    return {
      node,
      version,
      platform,
      root,
      pid: process.pid,
      since,
      server: bus.server,
      memory: process.memoryUsage.rss(),
      state: draining.on ? 'draining' : 'up',
      labels,
      drivers: drivers.filter(({ usable }) => usable).map(({ name }) => name),
      blobs,
    }
  }
  return { version, now }
}

/** Node's names of processors, in the words of OCI. */
const architectures: Readonly<Record<string, string>> = { x64: 'amd64', ia32: '386' }
