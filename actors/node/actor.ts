import { node } from '../../messages/node.ts'
import { serve } from '../../runtime/bus/serve.ts'
import type { Home } from '../../runtime/home.ts'
import { describe } from './describe.ts'

/** What the node lets its actor ask of it. */
export interface NodeParts {
  readonly threads: { ping(): Promise<{ name: string; milliseconds: number }[]> }
}

/** The node itself on the bus: who it is, whether it is well. */
export async function startNode(home: Home, { threads }: NodeParts): Promise<AsyncDisposable> {
  const describing = await describe(home)
  return await serve(home.bus, {
    node: home.node,
    actor: 'node',
    protocol: node,
    log: home.log,
    handlers: {
      info: () => describing(),
      health: async () => ({ threads: await threads.ping() }),
    },
  })
}
