import { Failure } from '../../../messages/grammar/index.ts'
import type { Digest } from '../../../messages/words/index.ts'
import type { Asking } from '../bus/asking.ts'
import { isLoopback, loopbackName, readDirect } from './address.ts'
import { type Offer, type OffersComponents, openOffers } from './offers.ts'
import { openRoutes } from './routes.ts'

/** Bytes between nodes beside the bus: the same pieces, over connections that are agreed on over it (ADR 0021). */
export interface Direct extends AsyncDisposable {
  /** Ask other nodes: directly where that can be had, else over the bus. */
  readonly asking: Asking
  /** For a blob, to a node whose loopback has that name. Fails with unimplemented when it could not connect. */
  offer(digest: Digest, loopback: string | undefined): Promise<Offer>
}

export interface DirectComponents extends OffersComponents {
  /** the way that always works */
  readonly overBus: Asking
  /** Ask a node, over the bus, to offer a connection for a blob to whose loopback has that name. */
  readonly connect: (
    node: string,
    wanted: { digest: Digest; loopback?: string | undefined },
    options: { signal: AbortSignal },
  ) => Promise<Offer>
  readonly now: () => number
}

/** `setting` as `readDirect` takes it. Nothing is listened on before somebody asks to connect. */
export async function openDirect(
  { overBus, connect, read, memory, now }: DirectComponents,
  { setting }: { setting: string | undefined },
): Promise<Direct> {
  await using stack = new AsyncDisposableStack()
  const address = readDirect(setting)
  const none = async (): Promise<never> => {
    throw new Failure('unimplemented', 'offer a connection: this node takes none from there')
  }
  if (!address) return { asking: overBus, offer: none, [Symbol.asyncDispose]: async () => {} }
  const loopback = await loopbackName()
  const offers = stack.use(openOffers({ read, memory }, address))
  const asking = stack.use(
    openRoutes({
      bus: overBus,
      now,
      welcome: ({ host }) => isLoopback(host) || !address.here,
      offer: (node, digest, options) => connect(node, { digest, loopback }, options),
    }),
  )
  const scope = stack.move()
  return {
    asking,
    offer: (digest, theirs) => (address.here && theirs !== loopback ? none() : offers.make(digest)),
    [Symbol.asyncDispose]: () => scope.disposeAsync(),
  }
}
