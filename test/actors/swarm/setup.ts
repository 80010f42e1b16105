import { randomBytes } from 'node:crypto'
import { join } from 'node:path'
import { startContent } from '../../../actors/content/actor.ts'
import { startFetch } from '../../../actors/fetch/actor.ts'
import { startIngest } from '../../../actors/ingest/actor.ts'
import { startSwarm } from '../../../actors/swarm/actor.ts'
import type { content } from '../../../messages/content.ts'
import { type Client, isFailure } from '../../../messages/grammar/index.ts'
import { protocols } from '../../../messages/index.ts'
import type { ingest } from '../../../messages/ingest.ts'
import type { swarm } from '../../../messages/swarm.ts'
import { type Blob, blobOf } from '../../../ops/lab/images.ts'
import { type Origin, type OriginInit, startOrigin } from '../../../ops/lab/origin.ts'
import type { Bus } from '../../../runtime/bus/bus.ts'
import { client } from '../../../runtime/bus/client.ts'
import { durably } from '../../../runtime/bus/durable.ts'
import { keepEvents } from '../../../runtime/bus/stream.ts'
import { noLog } from '../../../runtime/no-log.ts'
import { openOutbox } from '../../../runtime/records/outbox.ts'
import { openTables } from '../../../runtime/tables.ts'
import { type NatsServer, startNats } from '../../support/nats.ts'
import { tempDirectory } from '../../support/temp.ts'

/** What nodes share: a server of the bus, which keeps their facts, and a registry that counts. */
export interface Cluster extends AsyncDisposable {
  readonly nats: NatsServer
  readonly origin: Origin
  /** Start a node, on a connection of its own. It is the caller's to dispose. */
  join(node: string, settings?: Readonly<Record<string, string>>): Promise<Sharing>
  /** Have the registry serve a blob. Answers a name to bring it by. */
  serve(blob: Blob): string
}

/** Start one without nodes; `init` says how its registry behaves. */
export async function startCluster(init?: OriginInit): Promise<Cluster> {
  await using stack = new AsyncDisposableStack()
  const nats = stack.use(await startNats({ jetstream: true }))
  const origin = stack.use(await startOrigin(init))
  await keepEvents(await nats.connect(), { protocols })
  const scope = stack.move()
  return {
    nats,
    origin,
    join: async (node, settings) => startSharing(await nats.connect(), node, settings),
    serve(blob) {
      origin.serveBlob(blob)
      return `${origin.host}/library/test:latest`
    },
    [Symbol.asyncDispose]: () => scope.disposeAsync(),
  }
}

/** A node of a cluster, as far as blobs go: content, ingest, fetch and swarm, in this process. */
export interface Sharing extends AsyncDisposable {
  readonly node: string
  readonly root: string
  readonly bus: Bus
  readonly swarm: Client<typeof swarm>
  readonly content: Client<typeof content>
  /** Bring a blob into content, as a pull does; answers where it came from. */
  bring(name: string, blob: Blob, options?: BringOptions): Promise<Sources>
}

export interface BringOptions {
  readonly signal?: AbortSignal
  readonly from?: 'anybody' | 'registry'
  /** called with how far it is */
  readonly onProgress?: (offset: number) => void
}

export interface Sources {
  readonly origin: number
  readonly peers: Readonly<Record<string, number>>
}

/** Start one on a connection of its own, which goes with it. */
export async function startSharing(bus: Bus, node: string, settings: Readonly<Record<string, string>> = {}): Promise<Sharing> {
  await using stack = new AsyncDisposableStack()
  const root = stack.use(await tempDirectory()).path
  const tables = stack.use(await openTables(join(root, 'meta')))
  const outbox = stack.use(openOutbox({ bus, tables, node, name: 'test', log: noLog, publish: durably(bus) }))
  // Tests count bytes; a machine that is busy with other things is nobody's fault.
  const home = { node, root, bus, tables, outbox, log: noLog, settings: { 'swarm.patience': '60000', ...settings } }
  stack.use(await startContent(home))
  stack.use(await startIngest(home))
  stack.use(await startFetch(home))
  stack.use(await startSwarm(home))
  const scope = stack.move()
  const asks = {
    ingest: client<typeof ingest>(bus, { node, actor: 'ingest' }),
    swarm: client<typeof swarm>(bus, { node, actor: 'swarm' }),
    content: client<typeof content>(bus, { node, actor: 'content' }),
  }
  return {
    node,
    root,
    bus,
    ...asks,
    async bring(name, { descriptor }, { signal, from, onProgress = () => {} } = {}) {
      const { digest, size } = descriptor
      // Of our own making: when the answer is lost with the bus, it is lent again.
      const token = `${node} ${digest}`
      const { path, offset } = await asks.ingest.open({ reference: digest, expected: digest, total: size, token })
      let sources: Sources = { origin: 0, peers: {} }
      try {
        for await (const item of asks.swarm.bring(
          { name, descriptor, token, path, offset, ...(from && { from }) },
          { ...(signal && { signal }) },
        )) {
          sources = item.sources
          onProgress(item.offset)
        }
        await asks.ingest.commit({ token, size, digest })
      } catch (error) {
        if (!isFailure(error, 'failed_precondition')) await asks.ingest.close({ token }).catch(() => {})
        throw error
      }
      return sources
    },
    [Symbol.asyncDispose]: () => scope.disposeAsync(),
  }
}

/** A blob of so many bytes that nothing makes smaller. */
export const aBlob = (size: number): Blob => blobOf('application/octet-stream', randomBytes(size))

/** Bytes that came from others. */
export const fromPeers = ({ peers }: Sources): number => Object.values(peers).reduce((sum, bytes) => sum + bytes, 0)
