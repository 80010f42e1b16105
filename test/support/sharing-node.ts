/** Real nodes that share blobs: each a process and a root of its own, all on one NATS server. */
import type { content } from '../../messages/content.ts'
import type { Client } from '../../messages/grammar/index.ts'
import type { ingest } from '../../messages/ingest.ts'
import type { swarm } from '../../messages/swarm.ts'
import type { Blob } from '../../ops/lab/images.ts'
import type { Bus } from '../../runtime/bus/bus.ts'
import { client } from '../../runtime/bus/client.ts'
import { type RunningNode, startNode } from './node.ts'

/** Where the bytes of a blob came from. */
export interface Sources {
  readonly origin: number
  readonly peers: Readonly<Record<string, number>>
}

/** A node that moves blobs and nothing else. */
export interface SharingNode extends AsyncDisposable {
  readonly name: string
  readonly pid: number
  readonly root: string
  /** Bring a blob into content, as a pull does; answers where it came from. */
  bring(name: string, blob: Blob): Promise<Sources>
  /** Fails when its content does not have the blob, or other bytes by its name. */
  verify(blob: Blob): Promise<void>
  /** Have it forget a blob. */
  remove(blob: Blob): Promise<void>
  /** End it as a crash does. */
  kill(): Promise<void>
  freeze(): void
  thaw(): void
  /** After it was killed: another process on the same root. */
  restart(): Promise<void>
}

const actors = ['lease', 'content', 'ingest', 'fetch', 'swarm']

/** Start one on a NATS server; `bus` is what it is asked over. */
export async function startSharingNode(
  bus: Bus,
  { nats, root, name, set = [] }: { nats: string; root: string; name: string; set?: readonly string[] },
): Promise<SharingNode> {
  const start = () => startNode({ root, name, args: ['--nats', nats, '--only', ...actors, ...(set.length > 0 ? ['--set', ...set] : [])] })
  let node: RunningNode = await start()
  const asks = {
    ingest: client<typeof ingest>(bus, { node: name, actor: 'ingest' }),
    swarm: client<typeof swarm>(bus, { node: name, actor: 'swarm' }, { heartbeatMs: 60_000 }),
    content: client<typeof content>(bus, { node: name, actor: 'content' }, { timeoutMs: 60_000 }),
  }
  return {
    name,
    root,
    get pid() {
      return node.pid
    },
    bring: (reference, blob) => bring(asks, reference, blob),
    async verify({ descriptor: { digest, size } }) {
      const found = await asks.content.verify({ digest })
      if (found.size !== size) throw new Error(`${name} has ${found.size} bytes of ${digest}`)
    },
    remove: async ({ descriptor: { digest } }) => void (await asks.content.remove({ digest })),
    kill: () => node.kill(),
    freeze: () => void process.kill(node.pid, 'SIGSTOP'),
    thaw: () => void process.kill(node.pid, 'SIGCONT'),
    async restart() {
      node = await start()
    },
    async [Symbol.asyncDispose]() {
      await node[Symbol.asyncDispose]()
    },
  }
}

interface Asks {
  readonly ingest: Client<typeof ingest>
  readonly swarm: Client<typeof swarm>
}

async function bring({ ingest, swarm }: Asks, name: string, { descriptor }: Blob): Promise<Sources> {
  const { digest, size } = descriptor
  const { token, path, offset } = await ingest.open({ reference: digest, expected: digest, total: size })
  let sources: Sources = { origin: 0, peers: {} }
  for await (const item of swarm.bring({ name, descriptor, token, path, offset })) sources = item.sources
  await ingest.commit({ token, size, digest }, { timeoutMs: 60_000 })
  return sources
}
