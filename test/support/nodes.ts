/** Several real nodes on one NATS server. */
import { type NatsServer, startNats } from './nats.ts'
import { type NodeInit, type RunningNode, startNode } from './node.ts'

/** Nodes that know each other. Disposing it stops them, then their server. */
export interface Nodes extends AsyncDisposable {
  readonly nats: NatsServer
  /** One of them by its name. */
  node(name: string): RunningNode
}

/** Start nodes of these names, small ones, on a server of their own with JetStream. */
export async function startNodes(names: readonly string[], init: Omit<NodeInit, 'root' | 'name'> = {}): Promise<Nodes> {
  await using stack = new AsyncDisposableStack()
  const nats = stack.use(await startNats({ jetstream: true }))
  const started = await Promise.allSettled(
    names.map(async (name) =>
      stack.use(await startNode({ ...init, name, args: ['--nats', nats.url, '--unpack-threads', '1', ...(init.args ?? [])] })),
    ),
  )
  for (const one of started) if (one.status === 'rejected') throw one.reason
  const nodes = new Map(started.flatMap((one) => (one.status === 'fulfilled' ? [[one.value.name, one.value] as const] : [])))
  const owned = stack.move()
  return {
    nats,
    node(name) {
      const found = nodes.get(name)
      if (!found) throw new Error(`there is no node ${name}`)
      return found
    },
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  }
}
