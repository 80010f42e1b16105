import { chmod, mkdir } from 'node:fs/promises'
import type { Threads } from '../../actors/index.ts'
import { Failure, type Log } from '../../messages/grammar/index.ts'
import { protocols } from '../../messages/index.ts'
import { connectNats } from '../../runtime/bus/nats.ts'
import type { NatsAddress } from '../../runtime/bus/nats-address.ts'
import { fromErrno } from '../../runtime/errno.ts'
import { openLog } from '../../runtime/log.ts'
import { shareHeaps } from '../../runtime/syscalls/index.ts'
import { startThread, type Thread } from '../../runtime/workers.ts'
import { reachNats } from '../command/nats-access.ts'
import { announce } from '../command/whereabouts.ts'
import type { Config } from './config.ts'
import { lockRoot } from './lock.ts'
import { type Server, startServer } from './nats/server.ts'
import { type Placing, place, threadNames } from './place.ts'

export interface UpOptions {
  /** Aborted to stop the node. */
  readonly signal: AbortSignal
  /** Called once, with one line for people, when every actor answers. */
  readonly onReady: (line: string) => void
}

/**
 * Run a node until told to stop: its NATS server unless it joins another, its threads, its actors; everything ends newest first.
 * Fails when something it cannot be without is lost: a thread, its server.
 */
export async function up(config: Config, { signal, onReady }: UpOptions): Promise<void> {
  await using stack = new AsyncDisposableStack()
  const { node, root } = config
  shareHeaps(2)
  const log = openLog({ node, thread: 'control', level: config.log })
  await makeRoot(root)
  stack.use(await lockRoot(root, { node }))
  const server =
    config.nats === undefined
      ? stack.use(await startServer({ root, node, port: config.natsPort, path: process.env['PATH'], log }))
      : undefined
  const nats = server?.address ?? (await joined(config))
  await keepFacts(config, nats, log)
  const threads = await startThreads(config, nats, stack)
  const asking: Threads = {
    ping: () => Promise.all(threads.map(async (one) => ({ name: one.name, milliseconds: await one.ping({ timeoutMs: 4000 }) }))),
  }
  stack.use(await place({ thread: 'control', config, nats }, asking))
  const { subjects, natsAccess: access } = config
  const urls = [nats.url].flat().join(',')
  const its = server ? { credentials: server.credentialsFile } : { access: { natsInbox: nats.inbox, ...access } }
  stack.use(await announce(root, { node, pid: process.pid, url: config.nats ?? urls, ...its, subjects }))
  onReady(`node ${node} is up: root ${root}, ${server ? 'own NATS server' : 'NATS'} ${urls}, pid ${process.pid}`)
  const lost = await untilLost(signal, threads, server)
  log.info({}, lost ? `stopping: ${lost.message}` : 'stopping as told')
  if (lost) throw lost
}

/** A node is answered in an inbox of its own, whoever it is to NATS. */
async function joined({ node, nats = '', natsAccess: access, settings }: Config): Promise<NatsAddress> {
  const replicas = settings['nats.replicas'] === undefined ? undefined : Number(settings['nats.replicas'])
  if (replicas !== undefined && ![1, 3, 5].includes(replicas))
    throw new Failure('invalid_argument', `read the setting nats.replicas=${settings['nats.replicas']}: 1, 3 or 5 servers may keep a thing`)
  return { ...(await reachNats(nats, { natsInbox: `_INBOX.${node}`, ...access })), replicas }
}

async function makeRoot(root: string): Promise<void> {
  try {
    await mkdir(root, { recursive: true, mode: 0o700 })
    await chmod(root, 0o700)
  } catch (error) {
    throw fromErrno(error, `make the root directory ${root}`)
  }
}

/** Before any fact is told, there must be something that keeps it. */
async function keepFacts({ subjects, node }: Config, nats: NatsAddress, log: Log): Promise<void> {
  const { keepEvents } = await import('../../runtime/bus/stream.ts')
  await using bus = await connectNats(nats, { root: subjects, name: `${node}.start`, log })
  if (!(await keepEvents(bus, { protocols }))) log.warn({}, 'this NATS system has no JetStream: events are told, but not kept')
}

/** All at once; each belongs to the stack as soon as it runs, so that one that fails to start takes the others with it. */
async function startThreads(config: Config, nats: NatsAddress, stack: AsyncDisposableStack): Promise<Thread[]> {
  const names = threadNames(config).filter((name) => name !== 'control')
  const starting = names.map(async (thread) => {
    const placing: Placing = { thread, config, nats }
    return stack.use(await startThread(new URL('./thread.ts', import.meta.url), placing, { name: thread, heap: 192, stopMs: 10_000 }))
  })
  await Promise.allSettled(starting)
  return await Promise.all(starting)
}

/** Resolves with what was lost, or undefined when told to stop. */
async function untilLost(signal: AbortSignal, threads: readonly Thread[], server: Server | undefined): Promise<Failure | undefined> {
  const told = Promise.withResolvers<undefined>()
  if (signal.aborted) told.resolve(undefined)
  signal.addEventListener('abort', () => told.resolve(undefined))
  const ends = threads.map(
    async (thread) => (await thread.ended) ?? new Failure('internal', `run thread ${thread.name}: it ended by itself`),
  )
  return await Promise.race([told.promise, ...ends, ...(server ? [server.lost] : [])])
}
