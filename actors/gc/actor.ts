import { randomUUID } from 'node:crypto'
import type { container } from '../../messages/container.ts'
import type { content } from '../../messages/content.ts'
import { gc } from '../../messages/gc.ts'
import type { image } from '../../messages/image.ts'
import type { ingest } from '../../messages/ingest.ts'
import type { lease } from '../../messages/lease.ts'
import type { snapshot } from '../../messages/snapshot.ts'
import { client } from '../../runtime/bus/client.ts'
import { listen } from '../../runtime/bus/listen.ts'
import { serve } from '../../runtime/bus/serve.ts'
import { given } from '../../runtime/given.ts'
import type { Home } from '../../runtime/home.ts'
import { graceOf, msOf } from '../../runtime/keeping/keeping.ts'
import { collect } from './collect.ts'
import { ownersOf } from './owners.ts'
import { plan } from './plan.ts'
import { openRuns } from './runs.ts'
import { openSchedule } from './schedule.ts'
import { why } from './why.ts'

/**
 * The collector. Setting `gc.delay`: ms from something being let go of to the run that collects it; `gc.grace`: ms that what was made under no lease is kept.
 */
export async function startGc(home: Home): Promise<AsyncDisposable> {
  const { node, bus, tables, outbox, log, settings } = home
  await using scope = new AsyncDisposableStack()
  const now = () => new Date().toISOString()
  const owners = ownersOf({
    content: client<typeof content>(bus, { node, actor: 'content' }),
    ingest: client<typeof ingest>(bus, { node, actor: 'ingest' }),
    snapshot: client<typeof snapshot>(bus, { node, actor: 'snapshot' }),
    image: client<typeof image>(bus, { node, actor: 'image' }),
  })
  const runs = scope.use(
    openRuns(async ({ signal }) => {
      const ended = await collect({ tables, owners, now }, { signal })
      const { collected, freed } = ended
      const run = randomUUID()
      if (collected > 0)
        await tables.transaction(() => outbox.put({ actor: 'gc', fact: 'collected', entity: run, data: { run, collected, freed } }))
      if (ended.failed.length > 0)
        log.warn({ failed: ended.failed.slice(0, 10) }, `collect ${ended.failed.length} things: tried again later`)
      return ended
    }),
  )
  const schedule = scope.use(
    openSchedule({ run: runs.ask, now, log }, { delayMs: msOf(settings, 'gc.delay', 1_000), graceMs: graceOf(settings) }),
  )

  // What lets go of something: the collector has work soon. What may have made something under no lease: it has some when that time is over.
  const released = { handler: schedule.soon }
  const made = { handler: schedule.later }
  const heard = [
    listen<typeof lease>(bus, { node, actor: 'lease', fact: 'removed' }, released),
    listen<typeof image>(bus, { node, actor: 'image' }, released),
    listen<typeof container>(bus, { node, actor: 'container', fact: 'removed' }, released),
    listen<typeof snapshot>(bus, { node, actor: 'snapshot', fact: 'removed' }, released),
    listen<typeof snapshot>(bus, { node, actor: 'snapshot', fact: 'prepared' }, made),
    listen<typeof content>(bus, { node, actor: 'content', fact: 'created' }, made),
    listen<typeof ingest>(bus, { node, actor: 'ingest', fact: 'opened' }, made),
  ]
  for (const one of heard) scope.use(one)
  await Promise.all(heard.map(({ ready }) => ready))

  const serving = await serve(bus, {
    node,
    actor: 'gc',
    protocol: gc,
    log,
    handlers: {
      async run(_, { signal }) {
        const { collected, freed, spared, failed } = await given(signal, runs.ask())
        return { collected, freed, spared, failed: failed.slice(0, 100) }
      },
      async *plan({ at = now() }, { signal }) {
        yield* await plan({ tables, now }, { at: new Date(at).toISOString(), signal })
      },
      why: (asked, { signal }) => why({ tables, now }, asked, { signal }),
    },
  })
  scope.use(serving)
  schedule.first()
  return scope.move()
}
