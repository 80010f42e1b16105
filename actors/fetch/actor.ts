import { fetch } from '../../messages/fetch.ts'
import type { Handlers } from '../../messages/grammar/index.ts'
import type { ingest } from '../../messages/ingest.ts'
import { openBlobs } from '../../runtime/blobs.ts'
import { client } from '../../runtime/bus/client.ts'
import { listen } from '../../runtime/bus/listen.ts'
import { serve } from '../../runtime/bus/serve.ts'
import { tell } from '../../runtime/bus/tell.ts'
import type { Home } from '../../runtime/home.ts'
import { retry } from '../../runtime/retry.ts'
import { streamBlob } from './blob.ts'
import { fetchObject } from './object.ts'
import { openPatience } from './patience.ts'
import { openRegistries, type Retry, type Throttled } from './registry.ts'
import { resolve } from './resolve.ts'
import { openTokens } from './token.ts'
import { openTransport } from './transport.ts'

/**
 * Start fetch: registries, asked on behalf of everyone on this node, with connections and tokens kept between requests. What one of them says of its patience is told, and minded
 * by every node.
 */
export async function startFetch(home: Home): Promise<AsyncDisposable> {
  const { node, bus, log } = home
  await using scope = new AsyncDisposableStack()
  const transport = scope.use(openTransport())
  const patiently: Retry = (work, { signal }) =>
    retry(work, { signal, onRetry: ({ message }, pauseMs) => log.warn({ pauseMs }, `${message}; trying again`) })
  const patience = openPatience({ now: Date.now })
  const throttled = ({ registry, until, status }: Throttled) => {
    log.warn({ registry, status, until: new Date(until) }, 'a registry asks for patience')
    tell(bus, {
      node,
      actor: 'fetch',
      fact: 'throttled',
      entity: registry,
      data: { registry, until: new Date(until).toISOString(), status },
    })
  }
  const tokens = openTokens({ transport, now: Date.now })
  const registries = openRegistries({ transport, tokens, retry: patiently, patience, throttled, now: Date.now })
  const elsewhere = scope.use(
    listen<typeof fetch, 'throttled'>(
      bus,
      { actor: 'fetch', fact: 'throttled' },
      { handler: ({ data }) => void patience.asked(data.registry, Date.parse(data.until)) },
    ),
  )
  await elsewhere.ready
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
