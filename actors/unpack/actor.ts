import type { Handlers } from '../../messages/grammar/index.ts'
import { unpack } from '../../messages/unpack.ts'
import { client } from '../../runtime/bus/client.ts'
import { serve } from '../../runtime/bus/serve.ts'
import type { Home } from '../../runtime/home.ts'
import { leastBusy } from './dispatch.ts'
import { clearPlaces } from './target.ts'

/** Layers into directories: passes each request on to the least busy of the threads that do it, by their names on the bus. */
export async function startUnpack(home: Home, { workers }: { workers: readonly string[] }): Promise<AsyncDisposable> {
  const { bus, node, log } = home
  await clearPlaces(home.root)
  const asked = leastBusy(workers.map((actor) => client<typeof unpack>(bus, { node, actor })))
  const handlers: Handlers<typeof unpack> = {
    apply: (request, { signal, trace }) => asked((worker) => worker.apply(request, { signal, trace })),
    check: (request, { signal, trace }) => asked((worker) => worker.check(request, { signal, trace })),
  }
  return await serve(bus, { node, actor: 'unpack', protocol: unpack, log, handlers })
}
