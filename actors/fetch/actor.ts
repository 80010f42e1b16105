import { fetch } from '../../messages/fetch.ts'
import type { Handlers } from '../../messages/grammar/index.ts'
import type { ingest } from '../../messages/ingest.ts'
import { openBlobs } from '../../runtime/blobs.ts'
import { client } from '../../runtime/bus/client.ts'
import { serve } from '../../runtime/bus/serve.ts'
import type { Home } from '../../runtime/home.ts'
import { retry } from '../../runtime/retry.ts'
import { streamBlob } from './blob.ts'
import { fetchObject } from './object.ts'
import { openRegistries, type Retry } from './registry.ts'
import { resolve } from './resolve.ts'
import { openTokens } from './token.ts'
import { openTransport } from './transport.ts'

/** Start fetch: registries, asked on behalf of everyone on this node, with connections and tokens kept between requests. */
export async function startFetch(home: Home): Promise<AsyncDisposable> {
  const { node, bus, log } = home
  await using scope = new AsyncDisposableStack()
  const transport = scope.use(openTransport())
  const patiently: Retry = (work, { signal }) =>
    retry(work, { signal, onRetry: ({ message }, pauseMs) => log.warn({ pauseMs }, `${message}; trying again`) })
  const registries = openRegistries({ transport, tokens: openTokens({ transport, now: Date.now }), retry: patiently })
  const { ingests: directory } = await openBlobs(home.root)
  const lender = client<typeof ingest>(bus, { node, actor: 'ingest' })

  const handlers: Handlers<typeof fetch> = {
    resolve: (request, { signal }) => resolve(registries, request, { signal }),
    object: (request, { signal }) => fetchObject(registries, request, { signal }),
    blob({ token, ...request }, { signal, trace }) {
      // Not given up with the blob: what is in the file then is still to be told.
      const advance = async (offset: number) =>
        void (token !== undefined && (await retry(async () => await lender.advance({ token, offset }, { trace }), { tries: 3 })))
      return streamBlob({ registries, directory, advance }, request, { signal })
    },
  }
  scope.use(await serve(bus, { node, actor: 'fetch', protocol: fetch, handlers, log }))
  return scope.move()
}
