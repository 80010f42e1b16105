import { mkdir, mkdtemp, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { expect } from 'vitest'
import { startSnapshot } from '../../actors/snapshot/actor.ts'
import type { Client, Log } from '../../messages/grammar/index.ts'
import type { Mount, snapshot } from '../../messages/snapshot.ts'
import { client } from '../../runtime/bus/client.ts'
import { memoryBus } from '../../runtime/bus/memory.ts'
import type { Home } from '../../runtime/home.ts'
import { mountAll, mountedUnder, unmount } from '../../runtime/mounts.ts'
import type { Told } from '../../runtime/records/outbox.ts'
import { openTables } from '../../runtime/tables.ts'
import { tempDirectory } from './temp.ts'

/** A node with nothing but snapshots, in a directory of its own, and hands to mount them with. */
export interface SnapshotRoom extends AsyncDisposable {
  readonly root: string
  readonly ask: Client<typeof snapshot>
  /** what went into the outbox, in order, committed */
  readonly told: readonly Told[]
  /** what was logged as a warning or worse */
  readonly complaints: readonly string[]
  /** Do `work` where `mounts` are mounted. */
  at<T>(mounts: readonly Mount[], work: (at: string) => T | Promise<T>): Promise<T>
  /** Prepare, do `work` in it, commit it as `name`. */
  layer(name: string, parent: string | undefined, work?: (at: string) => unknown): Promise<void>
  /** Do `work` in a view of `name` that is gone afterwards. */
  look<T>(name: string, work: (at: string) => T | Promise<T>): Promise<T>
  /** Stop the actor, and start no other. */
  stop(): Promise<void>
  /** Stop the actor and start another on the same root. */
  restart(): Promise<void>
}

export interface SnapshotRoomInit {
  readonly driver?: string | undefined
  /** an existing root, which is kept */
  readonly root?: string
  /** mounts under the root that are the caller's */
  readonly mounted?: readonly string[]
  /** done to the tables before the actor starts */
  readonly before?: (tables: Home['tables']) => Promise<void>
}

/** Disposing it checks that no mount is left. */
export async function openSnapshotRoom(init: SnapshotRoomInit = {}): Promise<SnapshotRoom> {
  await using stack = new AsyncDisposableStack()
  const root = init.root ?? stack.use(await tempDirectory()).path
  stack.defer(() => leaveNoMount(root, init.mounted))
  const bus = stack.use(memoryBus())
  const tables = stack.use(await openTables(join(root, 'meta')))
  const told: Told[] = []
  const complaints: string[] = []
  const complain = (fields: object, message: string) => void complaints.push(`${message} ${JSON.stringify(fields)}`)
  const log: Log = { debug: () => {}, info: () => {}, warn: complain, error: complain }
  const outbox: Home['outbox'] = {
    put: (one) => tables.afterCommit(() => told.push(one)),
    empty: async () => {},
    [Symbol.asyncDispose]: async () => {},
  }
  const settings: Record<string, string> = init.driver ? { 'snapshot.driver': init.driver } : {}
  const home: Home = { node: 'n1', root, bus, tables, outbox, log, settings }
  await init.before?.(tables)
  let actor = await startSnapshot(home)
  stack.defer(() => actor[Symbol.asyncDispose]())
  const ask = client<typeof snapshot>(bus, { node: 'n1', actor: 'snapshot' })
  const scope = stack.move()
  let count = 0

  const room: SnapshotRoom = {
    root,
    ask,
    told,
    complaints,
    async at(mounts, work) {
      await mkdir(join(root, 'at'), { recursive: true })
      const at = await mkdtemp(join(root, 'at', 'm-'))
      try {
        await using _mounted = await mountAll(mounts, at)
        return await work(at)
      } finally {
        await rm(at, { recursive: true })
      }
    },
    async layer(name, parent, work = () => {}) {
      const key = `${name}-${count++}`
      const { mounts } = await ask.prepare({ key, ...(parent !== undefined && { parent }) })
      await room.at(mounts, work)
      await ask.commit({ key, name })
    },
    async look(name, work) {
      const key = `look-${count++}`
      const { mounts } = await ask.view({ key, parent: name })
      try {
        return await room.at(mounts, work)
      } finally {
        await ask.remove({ key })
      }
    },
    stop: async () => await actor[Symbol.asyncDispose](),
    async restart() {
      await actor[Symbol.asyncDispose]()
      actor = await startSnapshot(home)
    },
    [Symbol.asyncDispose]: () => scope.disposeAsync(),
  }
  return room
}

async function leaveNoMount(root: string, allowed: readonly string[] = []): Promise<void> {
  const left = (await mountedUnder(root)).filter(({ at }) => !allowed.includes(at))
  for (const { at } of left) await unmount(at)
  expect(left.map(({ at }) => at)).toEqual([])
}

/** A promise that must fail: what it failed with. */
export async function failureOf(promise: Promise<unknown>): Promise<{ code: string; message: string; details?: unknown }> {
  const outcome = await promise.then(
    (value) => ({ value }),
    (error: unknown) => ({ error }),
  )
  if ('value' in outcome) throw new Error(`it succeeded with ${JSON.stringify(outcome.value)}`)
  const { code, message, details } = outcome.error as { code: string; message: string; details?: unknown }
  return { code, message, ...(details !== undefined && { details }) }
}
