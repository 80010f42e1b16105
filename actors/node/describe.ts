import { readFile } from 'node:fs/promises'
import type { NodeInfo } from '../../messages/node.ts'
import type { Home } from '../../runtime/home.ts'

/** What this node is; the answer says how it is now. */
export async function describe({ node, root, bus }: Pick<Home, 'node' | 'root' | 'bus'>): Promise<() => NodeInfo> {
  const { version } = JSON.parse(await readFile(new URL('../../package.json', import.meta.url), 'utf8')) as { version: string }
  const since = new Date(performance.timeOrigin).toISOString()
  const platform = { os: process.platform, architecture: architectures[process.arch] ?? process.arch }
  return () => ({
    node,
    version,
    platform,
    root,
    pid: process.pid,
    since,
    server: bus.server,
    memory: process.memoryUsage.rss(),
  })
}

/** Node's names of processors, in the words of OCI. */
const architectures: Readonly<Record<string, string>> = { x64: 'amd64', ia32: '386' }
