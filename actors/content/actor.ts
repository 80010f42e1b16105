import { content, type Info } from '../../messages/content.ts'
import { openBlobs } from '../../runtime/blobs.ts'
import { serve } from '../../runtime/bus/serve.ts'
import type { Home } from '../../runtime/home.ts'
import { keepingOf } from '../../runtime/keeping/keeping.ts'
import { listBlobs } from './list.ts'
import { readPiece } from './read.ts'
import { openStore } from './store.ts'
import { measureUsage } from './usage.ts'
import { verifyBlob } from './verify.ts'

/** The content store: verified, immutable blobs by digest. */
export async function startContent(home: Home): Promise<AsyncDisposable> {
  const { node, bus, tables, outbox, log } = home
  const blobs = await openBlobs(home.root)
  const contents = tables.table<Info>('content')
  const store = openStore({ tables, outbox, blobs, keeping: keepingOf(home), now: () => new Date().toISOString() })
  return await serve(bus, {
    node,
    actor: 'content',
    protocol: content,
    log,
    handlers: {
      info: ({ digest }) => store.info(digest),
      list: ({ after, filters }, { signal }) => listBlobs(contents, { after, filters }, { signal }),
      label: ({ digest, labels }) => store.label(digest, labels),
      async relabel({ blobs }) {
        await store.relabel(blobs)
        return {}
      },
      async remove({ digest, unheld }, { signal, trace }) {
        await store.remove(digest, { unheld, signal, trace })
        return {}
      },
      async read({ digest, offset, length }, { signal }) {
        const { size } = store.info(digest)
        return { bytes: await readPiece({ digest, path: blobs.blob(digest), size, offset, length }, { signal }), size }
      },
      async verify({ digest }, { signal }) {
        const { size } = store.info(digest)
        try {
          await verifyBlob({ digest, path: blobs.blob(digest), size }, { signal })
        } catch (error) {
          // One that is removed meanwhile is not damaged.
          store.info(digest)
          throw error
        }
        return { digest, size }
      },
      usage: (_, { signal }) => measureUsage({ contents, blobs }, { signal }),
      locate({ digest }) {
        const { size } = store.info(digest)
        return { path: blobs.blob(digest), size }
      },
    },
  })
}
