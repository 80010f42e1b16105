import type { content } from '../../messages/content.ts'
import { image } from '../../messages/image.ts'
import { client } from '../../runtime/bus/client.ts'
import { serve } from '../../runtime/bus/serve.ts'
import type { Home } from '../../runtime/home.ts'
import { keepingOf } from '../../runtime/keeping/keeping.ts'
import { openImages } from './images.ts'

/** Serve `image` on this node. */
export async function startImage(home: Home): Promise<AsyncDisposable> {
  const { node, bus, tables, outbox, log } = home
  const blobs = client<typeof content>(bus, { node, actor: 'content' })
  const keeping = keepingOf(home)
  const images = openImages({
    tables,
    outbox,
    keeping,
    now: () => new Date().toISOString(),
    sizeOf: async ({ digest }, { signal }) => (await blobs.info({ digest }, { signal })).size,
  })
  await images.keepFound()
  return await serve(bus, {
    node,
    actor: 'image',
    protocol: image,
    log,
    handlers: {
      put: (request, context) => images.put(request, context),
      get: ({ name }) => images.get(name),
      list: (request) => images.list(request),
      label: ({ name, labels }, context) => images.label(name, labels, context),
      async remove({ name, unheld }, { trace }) {
        await images.remove(name, { trace, unheld })
        return {}
      },
      async check({ name }, context) {
        const missing = await images.missing(name, context)
        return { complete: missing.length === 0, missing }
      },
    },
  })
}
