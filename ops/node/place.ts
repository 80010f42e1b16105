import { join } from 'node:path'
import { placement, type Threads } from '../../actors/index.ts'
import { durably, keptOf } from '../../runtime/bus/durable.ts'
import { connectNats } from '../../runtime/bus/nats.ts'
import type { NatsAddress } from '../../runtime/bus/nats-address.ts'
import type { Home } from '../../runtime/home.ts'
import { openLog } from '../../runtime/log.ts'
import { openOutbox, waitingOutboxes } from '../../runtime/records/outbox.ts'
import { openTables } from '../../runtime/tables.ts'
import type { Work } from '../../runtime/workers.ts'
import type { Config } from './config.ts'

/** Which actors are to live on this thread, and with what: plain data. */
export interface Placing {
  readonly thread: string
  readonly config: Config
  readonly nats: NatsAddress
}

/** Names of the threads of a node that have something to do, control among them. */
export function threadNames(config: Config): string[] {
  return [...new Set(placed(config, nobody).map(({ thread }) => thread))]
}

/** Make a home on this thread and start the actors that live on it. */
export async function place({ thread, config, nats }: Placing, threads: Threads = nobody): Promise<Work> {
  await using stack = new AsyncDisposableStack()
  const log = openLog({ node: config.node, thread, level: config.log })
  const bus = stack.use(await connectNats(nats, { root: config.subjects, name: `${config.node}.${thread}`, log }))
  const tables = stack.use(await openTables(join(config.root, 'meta')))
  const outboxOf = (name: string) =>
    stack.use(openOutbox({ tables, name, node: config.node, bus, log, publish: durably(bus), kept: keptOf(bus, config.node) }))
  const outbox = outboxOf(thread)
  // What a thread has left that is made no more, as when there were more of them.
  if (thread === 'control') for (const name of waitingOutboxes(tables)) if (!threadNames(config).includes(name)) outboxOf(name)
  const home: Home = { node: config.node, root: config.root, bus, tables, outbox, log, settings: config.settings }
  for (const { start } of placed(config, threads).filter((one) => one.thread === thread)) stack.use(await start(home))
  const owned = stack.move()
  return { alive: () => bus.flush(), [Symbol.asyncDispose]: () => owned.disposeAsync() }
}

const placed = ({ unpackThreads, only }: Config, threads: Threads) =>
  placement({ unpackThreads, threads }).filter(({ actor }) => only === undefined || only.includes(actor.replace(/-\d+$/, '')))

/** A thread that is not control has nobody to ask. */
const nobody: Threads = { ping: async () => [] }
