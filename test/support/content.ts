import { createHash } from 'node:crypto'
import { join } from 'node:path'
import { startContent } from '../../actors/content/actor.ts'
import { startIngest } from '../../actors/ingest/actor.ts'
import type { content } from '../../messages/content.ts'
import type { Client, Log } from '../../messages/grammar/index.ts'
import type { ingest } from '../../messages/ingest.ts'
import type { Bus } from '../../runtime/bus/bus.ts'
import { client } from '../../runtime/bus/client.ts'
import { memoryBus } from '../../runtime/bus/memory.ts'
import type { Home } from '../../runtime/home.ts'
import type { Told } from '../../runtime/records/outbox.ts'
import { openTables, type Tables } from '../../runtime/tables.ts'
import { tempDirectory } from './temp.ts'

/** The content store of one node, as it is asked: ingest and content over a bus in memory. */
export interface Store extends AsyncDisposable {
  readonly home: Home
  readonly ingest: Client<typeof ingest>
  readonly content: Client<typeof content>
  /** what went into the outbox, in order, committed */
  readonly told: readonly Told[]
}

/** Start ingest and content on `root`, or on a directory of their own that goes with them. */
export async function startStore(
  options: {
    root?: string
    node?: string
    log?: Log
    bus?: Bus
    syncDelayMs?: number
    silenceMs?: number
    tables?: (tables: Tables) => Tables
  } = {},
): Promise<Store> {
  await using stack = new AsyncDisposableStack()
  const root = options.root ?? stack.use(await tempDirectory()).path
  const node = options.node ?? 'n1'
  const bus = options.bus ?? stack.use(memoryBus())
  const opened = stack.use(await openTables(join(root, 'meta')))
  const tables = options.tables?.(opened) ?? opened
  const told: Told[] = []
  const outbox = {
    put: (one: Told) => tables.afterCommit(() => told.push(one)),
    empty: async () => {},
    [Symbol.asyncDispose]: async () => {},
  }
  const home: Home = {
    node,
    root,
    bus,
    tables,
    outbox,
    log: options.log ?? silent,
    settings: {
      ...(options.syncDelayMs !== undefined && { 'ingest.sync-delay': `${options.syncDelayMs}` }),
      ...(options.silenceMs !== undefined && { 'ingest.silence': `${options.silenceMs}` }),
    },
  }
  stack.use(await startIngest(home))
  stack.use(await startContent(home))
  const scope = stack.move()
  return {
    home,
    ingest: client<typeof ingest>(bus, { node, actor: 'ingest' }),
    content: client<typeof content>(bus, { node, actor: 'content' }),
    told,
    [Symbol.asyncDispose]: () => scope.disposeAsync(),
  }
}

/** sha256, or another, as a digest. */
export const digestOf = (bytes: Uint8Array | string, algorithm = 'sha256'): string =>
  `${algorithm}:${createHash(algorithm).update(bytes).digest('hex')}`

const silent: Log = { debug: () => {}, info: () => {}, warn: () => {}, error: () => {} }
