import type { Client, Handlers } from '../../messages/grammar/index.ts'
import { unpack } from '../../messages/unpack.ts'
import { client } from '../../runtime/bus/client.ts'
import { serve } from '../../runtime/bus/serve.ts'
import type { Home } from '../../runtime/home.ts'
import { leastBusy } from './dispatch.ts'
import { clearPlaces } from './target.ts'
import { watching } from './underway.ts'
import type { Work } from './worker.ts'

/** Layers into directories, and directories into layers: passes each request on to the least busy of the threads that do it, by their names on the bus. */
export async function startUnpack(home: Home, { workers }: { workers: readonly string[] }): Promise<AsyncDisposable> {
  const { bus, node, log } = home
  await clearPlaces(home.root)
  const asked = leastBusy<Client<Work>>(workers.map((actor) => client<Work>(bus, { node, actor })))
  const { list, watch } = watching()
  const handlers: Handlers<typeof unpack> = {
    apply(request, { signal, trace }) {
      const { digest, size } = request.descriptor
      const begun = { kind: 'apply', label: request.label ?? digest, size } as const
      return watch(
        begun,
        asked((worker) => worker.apply(request, { signal, trace })),
      )
    },
    check: (request, { signal, trace }) => asked((worker) => worker.check(request, { signal, trace })),
    compare: (request, { signal, trace }) =>
      watch(
        { kind: 'compare', label: request.upper },
        asked((worker) => worker.compare(request, { signal, trace })),
      ),
    list: () => ({ underway: list() }),
  }
  return await serve(bus, { node, actor: 'unpack', protocol: unpack, log, handlers })
}
