import { Failure } from '../../../messages/grammar/index.ts'
import type { Digest } from '../../../messages/words/index.ts'
import { given } from '../../../runtime/given.ts'
import type { Asking } from '../bus/asking.ts'
import { type Connection, openConnection, wasSaid } from './connection.ts'
import type { Offer } from './offers.ts'

export interface RoutesComponents {
  /** the way that always works */
  readonly bus: Asking
  /** Ask a node for a connection for a blob. */
  readonly offer: (node: string, digest: Digest, options: { signal: AbortSignal }) => Promise<Offer>
  /** Whether to connect there at all. */
  readonly welcome: (offer: Offer) => boolean
  readonly now: () => number
}

/** As over the bus, but that bytes come over connections where there can be some. */
export type Routes = Asking & Disposable

/** ms a node is not asked again for a connection after one failed, or was refused */
const refusedMs = 60_000
const mostConnections = 256
/** ms a connection is waited for; what is wanted meanwhile goes over the bus */
const waitMs = 250
/** What is less goes over the bus: it is there before a connection would be. */
const worthwhileBytes = 256 * 1024

/** One connection for each node and blob, made when it is first needed. Whatever is the matter with it, the bus takes over for a while. */
export function openRoutes({ bus, offer, welcome, now }: RoutesComponents): Routes {
  const connections = new Map<string, Promise<Connection>>()
  const refused = new Map<string, number>()
  const stop = new AbortController()

  function connected(node: string, digest: Digest): Promise<Connection> {
    const key = `${node} ${digest}`
    const known = connections.get(key)
    if (known) return known
    const connecting = connectTo(node, digest, { signal: stop.signal })
    connections.set(key, connecting)
    connecting.then(
      (connection) => connection.over.then(() => connections.delete(key)),
      () => connections.delete(key),
    )
    return connecting
  }

  async function connectTo(node: string, digest: Digest, options: { signal: AbortSignal }): Promise<Connection> {
    const offered = await offer(node, digest, options)
    if (!welcome(offered)) throw new Failure('permission_denied', `connect to ${node} at ${offered.host}: not an address to connect to`)
    return await openConnection(offered, options)
  }

  const usable = (node: string): boolean => (refused.get(node) ?? 0) <= now() && connections.size < mostConnections

  return {
    ...bus,
    async read(node, range, options) {
      const { digest, offset, length } = range
      if (length < worthwhileBytes || !usable(node)) return await bus.read(node, range, options)
      try {
        const connection = await given(options.signal, Promise.race([connected(node, digest), later(waitMs)]))
        return connection ? await connection.read(offset, length, options) : await bus.read(node, range, options)
      } catch (error) {
        options.signal.throwIfAborted()
        if (wasSaid(error)) throw error
        if (refused.size > mostConnections) refused.clear()
        refused.set(node, now() + refusedMs)
        return await bus.read(node, range, options)
      }
    },
    [Symbol.dispose]() {
      stop.abort(new Failure('cancelled', 'connect to another node: this one is stopping'))
      for (const connecting of connections.values())
        connecting.then(
          (connection) => connection[Symbol.dispose](),
          () => {},
        )
    },
  }
}

const later = (ms: number): Promise<undefined> => new Promise((resolve) => void setTimeout(resolve, ms, undefined).unref())
