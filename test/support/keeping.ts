import { join } from 'node:path'
import type { Owners } from '../../actors/gc/owners.ts'
import { startLease } from '../../actors/lease/actor.ts'
import { type Client, Failure, type Log } from '../../messages/grammar/index.ts'
import type { lease } from '../../messages/lease.ts'
import { client } from '../../runtime/bus/client.ts'
import { memoryBus } from '../../runtime/bus/memory.ts'
import { tell } from '../../runtime/bus/tell.ts'
import type { Home } from '../../runtime/home.ts'
import { type Keeping, openKeeping } from '../../runtime/keeping/keeping.ts'
import { type Leases, openLeases } from '../../runtime/keeping/leases.ts'
import { thingOf, thingTable } from '../../runtime/keeping/things.ts'
import type { Told } from '../../runtime/records/outbox.ts'
import { openTables, type Tables } from '../../runtime/tables.ts'
import { tempDirectory } from './temp.ts'

/** A node of which there is a bus in memory, tables, and an outbox whose facts are told at once. */
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
    put: (one) =>
      tables.afterCommit(() => {
        told.push(one)
        tell(bus, { node: 'n1', ...one })
      }),
    empty: async () => {},
    [Symbol.asyncDispose]: async () => {},
  }
  const home: Home = { node: 'n1', root, bus, tables, outbox, log: options.log ?? silent, settings: options.settings ?? {} }
  const scope = stack.move()
  return { home, told, [Symbol.asyncDispose]: () => scope.disposeAsync() }
}

/** Leases of a bare node, as they are asked. */
export async function startLeases(
  options: Parameters<typeof bareHome>[0] & { now?: () => string } = {},
): Promise<BareHome & { readonly ask: Client<typeof lease> }> {
  await using stack = new AsyncDisposableStack()
  const bare = stack.use(await bareHome(options))
  stack.use(await startLease(bare.home, options))
  const scope = stack.move()
  return {
    ...bare,
    ask: client<typeof lease>(bare.home.bus, { node: 'n1', actor: 'lease' }),
    [Symbol.asyncDispose]: () => scope.disposeAsync(),
  }
}

const silent: Log = { debug: () => {}, info: () => {}, warn: () => {}, error: () => {} }

/** Things that are kept, their owners, and a clock that stands until it is set. */
export interface KeptThings extends AsyncDisposable {
  readonly tables: Tables
  readonly leases: Leases
  readonly owners: Owners
  /** what owners were asked to take away, in order, as `kind/key` */
  readonly asked: readonly string[]
  /** now, RFC 3339 */
  now(): string
  /** Set the clock on. */
  pass(ms: number): void
  /** Run `work` in a transaction. */
  write<R>(work: (keeping: Keeping) => R): Promise<R>
  /** `kind/key` of all that is there, in order. */
  there(): string[]
}

/** Things on `root`, or in a directory of their own that goes with them; owners do `before` they look. */
export async function openKept(
  options: { root?: string; graceMs?: number; at?: string; before?: (name: string) => Promise<void> | void } = {},
): Promise<KeptThings> {
  await using stack = new AsyncDisposableStack()
  const root = options.root ?? stack.use(await tempDirectory()).path
  const tables = stack.use(await openTables(join(root, 'meta')))
  let time = Date.parse(options.at ?? '2026-01-01T00:00:00.000Z')
  const now = () => new Date(time).toISOString()
  const keeping = openKeeping(tables, { now, graceMs: options.graceMs ?? 0 })
  const asked: string[] = []
  const owner = (kind: string) => async (key: string) => {
    asked.push(`${kind}/${key}`)
    await options.before?.(`${kind}/${key}`)
    await tables.transaction(() => {
      if (!keeping.has({ kind, key })) throw new Failure('not_found', `remove ${kind} ${key}: it is not there`)
      keeping.demandUnheld({ kind, key })
      keeping.gone({ kind, key })
    })
  }
  const scope = stack.move()
  return {
    tables,
    leases: openLeases(tables, { now }),
    owners: Object.fromEntries(['content', 'ingest', 'snapshot', 'image'].map((kind) => [kind, owner(kind)])),
    asked,
    now,
    pass: (ms) => {
      time += ms
    },
    write: (work) => tables.transaction(() => work(keeping)),
    there: () => Array.from(thingTable(tables).range(), ({ key }) => key),
    [Symbol.asyncDispose]: () => scope.disposeAsync(),
  }
}

/** `kind/key` as a thing. */
export const thing = thingOf
