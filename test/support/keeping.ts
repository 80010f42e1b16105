import { join } from 'node:path'
import { startLease } from '../../actors/lease/actor.ts'
import type { Client, Log } from '../../messages/grammar/index.ts'
import type { lease } from '../../messages/lease.ts'
import { client } from '../../runtime/bus/client.ts'
import { memoryBus } from '../../runtime/bus/memory.ts'
import type { Home } from '../../runtime/home.ts'
import type { Told } from '../../runtime/records/outbox.ts'
import { openTables } from '../../runtime/tables.ts'
import { tempDirectory } from './temp.ts'

/** A node of which there is a bus in memory, tables, and an outbox that is only looked at. */
export interface BareHome extends AsyncDisposable {
  readonly home: Home
  /** what went into the outbox, in order, committed */
  readonly told: readonly Told[]
}

/** One on `root`, or on a directory of its own that goes with it. */
export async function bareHome(options: { root?: string; settings?: Record<string, string>; log?: Log } = {}): Promise<BareHome> {
  await using stack = new AsyncDisposableStack()
  const root = options.root ?? stack.use(await tempDirectory()).path
  const bus = stack.use(memoryBus())
  const tables = stack.use(await openTables(join(root, 'meta')))
  const told: Told[] = []
  const outbox: Home['outbox'] = {
    put: (one) => tables.afterCommit(() => told.push(one)),
    empty: async () => {},
    [Symbol.asyncDispose]: async () => {},
  }
  const home: Home = { node: 'n1', root, bus, tables, outbox, log: options.log ?? silent, settings: options.settings ?? {} }
  const scope = stack.move()
  return { home, told, [Symbol.asyncDispose]: () => scope.disposeAsync() }
}

/** Leases of a bare node, as they are asked. */
export async function startLeases(
  options: Parameters<typeof bareHome>[0] = {},
): Promise<BareHome & { readonly ask: Client<typeof lease> }> {
  await using stack = new AsyncDisposableStack()
  const bare = stack.use(await bareHome(options))
  stack.use(await startLease(bare.home))
  const scope = stack.move()
  return {
    ...bare,
    ask: client<typeof lease>(bare.home.bus, { node: 'n1', actor: 'lease' }),
    [Symbol.asyncDispose]: () => scope.disposeAsync(),
  }
}

const silent: Log = { debug: () => {}, info: () => {}, warn: () => {}, error: () => {} }
