import type { content } from '../../messages/content.ts'
import { node } from '../../messages/node.ts'
import type { snapshot } from '../../messages/snapshot.ts'
import { client } from '../../runtime/bus/client.ts'
import { serve } from '../../runtime/bus/serve.ts'
import { drainingOf } from '../../runtime/draining.ts'
import type { Home } from '../../runtime/home.ts'
import { describe } from './describe.ts'

/** What the node lets its actor ask of it. */
export interface NodeParts {
  readonly threads: { ping(): Promise<{ name: string; milliseconds: number }[]> }
}

/** ms a node that stops waits for its last fact to be told; it is told at its next start otherwise */
const farewellMs = 2000

/** The node itself on the bus: who it is, whether it is well. Its being up and being down are facts of its start and its end. */
export async function startNode(home: Home, { threads }: NodeParts): Promise<AsyncDisposable> {
  const { bus, log, outbox, tables } = home
  const { version, now } = await describe({
    ...home,
    content: client<typeof content>(bus, { node: home.node, actor: 'content' }),
    snapshot: client<typeof snapshot>(bus, { node: home.node, actor: 'snapshot' }),
  })
  const draining = drainingOf(tables)
  const told = (fact: string, data: Readonly<Record<string, unknown>>) =>
    tables.transaction(() => outbox.put({ actor: 'node', fact, entity: home.node, data: { node: home.node, ...data } }))
  await using stack = new AsyncDisposableStack()
  stack.use(
    await serve(bus, {
      node: home.node,
      actor: 'node',
      protocol: node,
      log,
      handlers: {
        info: (_, { signal }) => now({ signal }),
        async drain({ undo }, { signal, trace }) {
          await tables.transaction(() => {
            if (draining.on === !undo) return
            draining.set(!undo)
            outbox.put({
              actor: 'node',
              fact: undo ? 'up' : 'draining',
              entity: home.node,
              trace,
              data: { node: home.node, ...(undo && { version }) },
            })
          })
          return await now({ signal })
        },
        health: async () => ({ threads: await threads.ping() }),
      },
    }),
  )
  await told('up', { version })
  stack.defer(async () => {
    await told('down', {})
    await outbox.empty({ signal: AbortSignal.timeout(farewellMs) }).catch(() => {})
  })
  return stack.move()
}
