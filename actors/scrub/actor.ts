import { availableParallelism } from 'node:os'
import type { content } from '../../messages/content.ts'
import type { fetch } from '../../messages/fetch.ts'
import type { Protocol } from '../../messages/grammar/index.ts'
import type { ingest } from '../../messages/ingest.ts'
import type { lease } from '../../messages/lease.ts'
import { scrub } from '../../messages/scrub.ts'
import type { snapshot } from '../../messages/snapshot.ts'
import type { swarm } from '../../messages/swarm.ts'
import type { unpack } from '../../messages/unpack.ts'
import { client } from '../../runtime/bus/client.ts'
import { serve } from '../../runtime/bus/serve.ts'
import type { Home } from '../../runtime/home.ts'
import type { Asks } from './asks.ts'
import { type ScrubComponents, scrubThings } from './scrub.ts'

/** Looking at everything again: asks the owners of things to compare them with what they should be, and to make anew what is damaged. */
export async function startScrub(home: Home): Promise<AsyncDisposable> {
  const { node, bus, tables, outbox, log, settings } = home
  const ask = <P extends Protocol>(actor: string, trace: string) => client<P>(bus, { node, actor }, { trace })
  const asksOf = (trace: string): Asks => ({
    content: ask<typeof content>('content', trace),
    snapshot: ask<typeof snapshot>('snapshot', trace),
    unpack: ask<typeof unpack>('unpack', trace),
    ingest: ask<typeof ingest>('ingest', trace),
    fetch: ask<typeof fetch>('fetch', trace),
    swarm: settings['swarm.enabled'] === 'false' ? undefined : ask<typeof swarm>('swarm', trace),
    lease: ask<typeof lease>('lease', trace),
  })
  const telling =
    (trace: string): ScrubComponents['tell'] =>
    (fact, data) =>
      tables.transaction(() => outbox.put({ actor: 'scrub', fact, entity: data.key, data: { ...data }, trace }))

  return await serve(bus, {
    node,
    actor: 'scrub',
    protocol: scrub,
    log,
    handlers: {
      run: (request, { signal, trace }) =>
        scrubThings({ asks: asksOf(trace), tell: telling(trace), atOnce: availableParallelism() }, request, { signal }),
    },
  })
}
