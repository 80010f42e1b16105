/** Real nodes that share blobs: each a process and a root of its own, all on one NATS server. */
import type { content } from '../../messages/content.ts'
import type { Client } from '../../messages/grammar/index.ts'
import type { pull } from '../../messages/pull.ts'
import type { Digest } from '../../messages/words/index.ts'
import type { Bus } from '../../runtime/bus/bus.ts'
import { client } from '../../runtime/bus/client.ts'
import { retry } from '../../runtime/retry.ts'
import { startNode } from './node.ts'

/** A node that pulls, and unpacks nothing. */
export interface SharingNode extends AsyncDisposable {
  readonly name: string
  readonly root: string
  /** Pull an image; resolves when it is there, whatever becomes of the bus, or of the node, meanwhile. Fails when the pull does. */
  pull(reference: string): Promise<void>
  /** Fails when its content does not have a blob, or other bytes by its name. */
  verify(digest: Digest): Promise<void>
  /** Have it forget a blob. */
  remove(digest: Digest): Promise<void>
  /** End it as a crash does. */
  kill(): Promise<void>
  freeze(): void
  thaw(): void
  /** After it was killed: another process on the same root. */
  restart(): Promise<void>
}

const actors = ['lease', 'content', 'ingest', 'fetch', 'swarm', 'image', 'tag', 'pull']

/** Start one on a NATS server; `bus` is what it is asked over. */
export async function startSharingNode(bus: Bus, { nats, root, name }: { nats: string; root: string; name: string }): Promise<SharingNode> {
  const start = () => startNode({ root, name, args: ['--nats', nats, '--only', ...actors] })
  let node = await start()
  const blobs = client<typeof content>(bus, { node: name, actor: 'content' }, { timeoutMs: 60_000 })
  const pulls = client<typeof pull>(bus, { node: name, actor: 'pull' }, { heartbeatMs: 1_000 })
  return {
    name,
    root,
    pull: (reference) => pullWhole(pulls, reference),
    verify: async (digest) => void (await blobs.verify({ digest })),
    remove: async (digest) => void (await blobs.remove({ digest })),
    kill: () => node.kill(),
    freeze: () => void process.kill(node.pid, 'SIGSTOP'),
    thaw: () => void process.kill(node.pid, 'SIGCONT'),
    async restart() {
      node = await start()
    },
    [Symbol.asyncDispose]: () => node[Symbol.asyncDispose](),
  }
}

/** How long a node that is away, or a bus that is, is asked again. */
const away = { tries: 1_000, mostMs: 1_000 }

async function pullWhole(ask: Client<typeof pull>, reference: string): Promise<void> {
  const { ticket } = await retry(async () => await ask.start({ reference, unpack: false }), away)
  while (true) {
    const watching = async () => {
      for await (const _ of ask.follow({ ticket }));
    }
    await watching().catch(() => {})
    const { state, why } = await retry(async () => await ask.status({ ticket }), away)
    if (state === 'done') return
    if (why) throw new Error(`pull ${reference}: ${why.code}: ${why.message}`)
  }
}
