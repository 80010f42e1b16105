import type { Commitment, snapshotMachine } from '../../machines/snapshot.ts'
import { Failure, isFailure } from '../../messages/grammar/index.ts'
import type { SnapshotInfo, Target } from '../../messages/snapshot.ts'
import type { Labels } from '../../messages/words/index.ts'
import { parseFilters } from '../../runtime/filter.ts'
import type { Keeping } from '../../runtime/keeping/keeping.ts'
import type { Records } from '../../runtime/records/records.ts'
import type { Tables } from '../../runtime/tables.ts'
import type { Claims } from './claims.ts'
import type { Driver, Layer, Layers, Usage } from './driver.ts'
import { thingOf } from './kept.ts'
import { layerId, layerOf, openIds, recordId, type Snapshot } from './record.ts'

export interface SnapshotsComponents {
  readonly tables: Tables
  readonly records: Records<typeof snapshotMachine>
  readonly claims: Claims
  readonly keeping: Keeping
  readonly now: () => string
}

/** Of a caller. */
interface Asked {
  readonly signal: AbortSignal
  readonly trace?: string | undefined
}

interface PrepareInit {
  readonly key: string
  readonly parent?: string | undefined
  readonly labels?: Labels | undefined
  readonly lease?: string | undefined
  readonly kind: 'active' | 'view'
}

interface CommitInit {
  readonly key: string
  readonly name: string
  readonly parent?: string | undefined
  readonly implied?: readonly string[] | undefined
  readonly labels?: Labels | undefined
  readonly lease?: string | undefined
}

interface ReplaceInit {
  readonly key: string
  readonly name: string
  readonly implied?: readonly string[] | undefined
}

interface ListOptions {
  readonly after?: string | undefined
  /** each asks of key, kind, parent, durable or labels */
  readonly filters?: readonly string[] | undefined
}

/** The verbs, by key and name, on records. What cannot be is refused here or by the machine, in the transaction that would make it so. */
export interface Snapshots {
  prepare(driver: Driver, init: PrepareInit, asked: Asked): Promise<Layer>
  commit(driver: Driver, init: CommitInit, asked: Asked): Promise<Snapshot>
  /** Fails with not_found. */
  get(driver: Driver, key: string): Snapshot
  /** An active one or a view. Fails with not_found or failed_precondition. */
  mountable(driver: Driver, key: string): Layer
  /** The own files of one that is active or committed. Fails with not_found, failed_precondition or unimplemented. */
  layer(driver: Driver, key: string): Target
  /** Give the committed `name` what the active `key` holds. */
  replace(driver: Driver, init: ReplaceInit, asked: Asked): Promise<Snapshot>
  /** By key or name, from one on. Fails with invalid_argument. */
  list(driver: Driver, options: ListOptions): { snapshots: SnapshotInfo[]; more: boolean }
  label(driver: Driver, init: { key: string; labels: Labels }, asked: Asked): Promise<Snapshot>
  usage(driver: Driver, key: string, asked: Asked): Promise<Usage>
  /** `unheld`: only if the collector found it unneeded and nothing came to hold it since, else failed_precondition. */
  remove(driver: Driver, init: { key: string; unheld?: true | undefined }, asked: Asked): Promise<void>
  /** The committed one of an id has got what `by` held; said twice, it is heard once. */
  replaced(id: string, by: string): Promise<void>
  /** Records with these ids have reached the disk. */
  settled(ids: readonly string[]): Promise<void>
}

export function openSnapshots({ tables, records, claims, keeping, now }: SnapshotsComponents): Snapshots {
  const nextId = openIds(tables)

  function find(driver: Driver, key: string, doing: string): Snapshot {
    const id = claims.holder(driver.name, key)
    const found = id === undefined ? undefined : records.get(id)
    // The name of one being committed is taken, but nothing has it yet.
    if (found?.context.key !== key) throw new Failure('not_found', `${doing}: there is no snapshot ${key} of driver ${driver.name}`)
    return found
  }

  function groundOn(driver: Driver, parent: string, doing: string): { parent: string; ancestors: string[] } {
    const found = find(driver, parent, doing)
    if (found.value !== 'committed')
      throw new Failure('failed_precondition', `${doing}: its parent ${parent} is ${found.value}, not committed`)
    return { parent, ancestors: [layerId(found.id), ...found.context.ancestors] }
  }

  function committedOf(driver: Driver, name: string, doing: string): Snapshot {
    const found = find(driver, name, doing)
    if (found.value !== 'committed') throw new Failure('failed_precondition', `${doing}: ${name} is ${found.value}, not committed`)
    return found
  }

  /** `event` to a record, in words of who asked: they know a key, not an id. */
  async function send(
    found: Snapshot,
    event: Parameters<typeof records.send>[1],
    { doing, asked, also }: { doing: string; asked: Asked; also?: () => void },
  ) {
    try {
      return await records.send(found.id, event, { ...asked, also })
    } catch (error) {
      const state = records.get(found.id)?.value
      if (isFailure(error, 'not_found') && state === undefined)
        throw new Failure('not_found', `${doing}: it was removed meanwhile`, { cause: error })
      if (isFailure(error, 'failed_precondition') && state !== undefined && !records.can(found.id, event))
        throw new Failure('failed_precondition', `${doing}: it is ${state}`, { cause: error })
      throw error
    }
  }

  /**
   * `work`, which makes something under a key or name. When that turns out to be taken it is held by the lease first, as if it had been made; what is gone by then is made
   * after all.
   */
  async function heldIfTaken<T>(driver: Driver, key: string, lease: string | undefined, work: () => Promise<T>): Promise<T> {
    for (;;) {
      try {
        return await work()
      } catch (error) {
        if (lease === undefined || !isFailure(error, 'already_exists')) throw error
        const held = await tables.transaction(() => keeping.hold(thingOf(driver.name, key), lease))
        if (held || claims.holder(driver.name, key) !== undefined) throw error
      }
    }
  }

  async function create(driver: Driver, { key, parent, labels = {}, lease, kind }: PrepareInit, asked: Asked): Promise<Layer> {
    const doing = `prepare ${key}`
    const holder = claims.holder(driver.name, key)
    if (holder !== undefined) throw new Failure('already_exists', `${doing}: the key is taken`)
    const ground = parent === undefined ? { ancestors: [] } : groundOn(driver, parent, doing)
    const id = recordId(driver.name, await nextId(driver))
    asked.signal.throwIfAborted()
    const input = { driver: driver.name, key, kind, labels, ...ground, ...(lease !== undefined && { lease }), at: now() }
    return layerOf(await records.create(id, input, asked))
  }

  async function commit(driver: Driver, init: CommitInit, asked: Asked): Promise<Snapshot> {
    const { key, name, parent, implied = [], labels = {}, lease } = init
    const doing = `commit ${key} as ${name}`
    const found = find(driver, key, doing)
    if (claims.holder(driver.name, name) !== undefined) throw new Failure('already_exists', `${doing}: the name is taken`)
    if (parent !== undefined) {
      if (!driver.rebase) throw new Failure('unimplemented', `${doing}: driver ${driver.name} takes a parent at prepare only`)
      if (found.context.parent !== undefined)
        throw new Failure('failed_precondition', `${doing}: it was prepared on ${found.context.parent}, and keeps that parent`)
    }
    const { ancestors, parent: known } = found.context
    const ground = parent === undefined ? { ancestors, parent: known } : groundOn(driver, parent, doing)
    const commitment: Commitment = {
      name,
      labels,
      implied: parent === undefined ? [] : implied,
      ...ground,
      ...(lease !== undefined && { lease }),
    }
    // A lease that has ended is refused now, while nothing is frozen.
    const also = () => void (lease !== undefined && keeping.hold(thingOf(driver.name, key), lease))
    return await send(found, { type: 'commit', commitment }, { doing, asked, also })
  }

  const snapshots: Snapshots = {
    prepare: async (driver, init, asked) => await heldIfTaken(driver, init.key, init.lease, () => create(driver, init, asked)),
    async commit(driver, init, asked) {
      const { lease = find(driver, init.key, `commit ${init.key} as ${init.name}`).context.lease } = init
      return await heldIfTaken(driver, init.name, lease, () => commit(driver, init, asked))
    },
    get: (driver, key) => find(driver, key, `find ${key}`),
    mountable(driver, key) {
      const doing = `mount ${key}`
      const found = find(driver, key, doing)
      if (found.value === 'committed')
        throw new Failure('failed_precondition', `${doing}: it is committed; prepare or view a snapshot of it`)
      if (found.value === 'preparing') throw new Failure('failed_precondition', `${doing}: it is being prepared`)
      return layerOf(found)
    },
    layer(driver, key) {
      const doing = `find the layer of ${key}`
      const layers = layersOf(driver, doing)
      const found = find(driver, key, doing)
      if (found.value === 'preparing') throw new Failure('failed_precondition', `${doing}: it is being prepared`)
      if (found.context.kind === 'view') throw new Failure('failed_precondition', `${doing}: it is a view, and has no files of its own`)
      return layers.target(layerOf(found))
    },
    async replace(driver, { key, name, implied = [] }, asked) {
      const doing = `replace ${name} by ${key}`
      layersOf(driver, doing)
      const found = find(driver, key, doing)
      const replaced = committedOf(driver, name, doing)
      const { ancestors, parent } = replaced.context
      if (found.context.parent !== undefined && found.context.parent !== parent)
        throw new Failure('failed_precondition', `${doing}: it was prepared on ${found.context.parent}, and is not to be on ${parent}`)
      const completed = found.context.parent === undefined ? implied : []
      const replacement = { name, of: layerId(replaced.id), ancestors, implied: completed }
      await send(found, { type: 'replace', replacement }, { doing, asked })
      return find(driver, name, doing)
    },
    list(driver, { after, filters = [] }) {
      const passes = parseFilters(filters)
      const found = Iterator.from(claims.range(driver.name, { after }))
        .flatMap(({ key, id }) => {
          const record = records.get(id)
          return record?.context.key === key ? [infoOf(record)] : []
        })
        .filter(passes)
        .take(page + 1)
        .toArray()
      return { snapshots: found.slice(0, page), more: found.length > page }
    },
    async label(driver, { key, labels }, asked) {
      const doing = `label ${key}`
      return await send(find(driver, key, doing), { type: 'label', labels, at: now() }, { doing, asked })
    },
    async usage(driver, key, asked) {
      const found = find(driver, key, `measure ${key}`)
      if (found.context.usage) return found.context.usage
      const usage = await driver.usage(layerOf(found), asked)
      // It does not change any more: the next to ask is spared the walk.
      if (found.value === 'committed') await records.send(found.id, { type: 'measured', usage }, asked).catch(ifRemoved)
      return usage
    },
    async remove(driver, { key, unheld }, asked) {
      const doing = `remove ${key}`
      const also = () => void (unheld && keeping.demandUnheld(thingOf(driver.name, key)))
      await send(find(driver, key, doing), { type: 'remove' }, { doing, asked, also })
    },
    replaced: async (id, by) => void (await records.send(id, { type: 'replaced', by, at: now() }).catch(ifRemoved)),
    async settled(ids) {
      await Promise.all(ids.map((id) => records.send(id, { type: 'settled' }).catch(ifRemoved)))
    },
  }
  return snapshots
}

function layersOf({ name, layers }: Driver, doing: string): Layers {
  if (!layers) throw new Failure('unimplemented', `${doing}: driver ${name} keeps no layers apart`)
  return layers
}

/** Most snapshots in one answer. */
const page = 1000

/** What is told of a snapshot. */
export const infoOf = ({ context }: Snapshot): SnapshotInfo => ({
  key: context.key,
  kind: context.kind,
  driver: context.driver,
  labels: context.labels,
  createdAt: context.createdAt,
  updatedAt: context.updatedAt,
  durable: context.durable,
  ...(context.parent !== undefined && { parent: context.parent }),
})

/** It was removed meanwhile: nothing to write down. */
function ifRemoved(error: unknown): undefined {
  if (!isFailure(error, 'not_found', 'failed_precondition')) throw error
}
