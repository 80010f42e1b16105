import { lease } from '../../messages/lease.ts'
import { serve } from '../../runtime/bus/serve.ts'
import type { Home } from '../../runtime/home.ts'
import { openLeaseStore } from './store.ts'

/** Leases: what holds what is being made. */
export async function startLease(home: Home, { now = () => new Date().toISOString() } = {}): Promise<AsyncDisposable> {
  const { node, bus, tables, outbox, log } = home
  await using scope = new AsyncDisposableStack()
  const leases = scope.use(openLeaseStore({ tables, outbox, log, now }))
  await leases.start()
  const serving = await serve(bus, {
    node,
    actor: 'lease',
    protocol: lease,
    log,
    handlers: {
      create: (request, context) => leases.create(request, context),
      renew: ({ id, ...until }, context) => leases.renew(id, until, context),
      add: async ({ id, things, some }) => ({ absent: await leases.add(id, things, { some }) }),
      async drop({ id, things }) {
        await leases.drop(id, things)
        return {}
      },
      get: ({ id, after }) => leases.get(id, { after }),
      list: (request) => leases.list(request),
      async remove({ id }, context) {
        await leases.remove(id, context)
        return {}
      },
    },
  })
  scope.use(serving)
  return scope.move()
}
