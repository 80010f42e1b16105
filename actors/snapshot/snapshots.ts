import type { Commitment, snapshotMachine } from '../../machines/snapshot.ts'
import { Failure, isFailure } from '../../messages/grammar/index.ts'
import type { SnapshotInfo } from '../../messages/snapshot.ts'
import type { Labels } from '../../messages/words/index.ts'
import type { Records } from '../../runtime/records/records.ts'
import type { Tables } from '../../runtime/tables.ts'
import type { Claims } from './claims.ts'
import type { Driver, Layer, Usage } from './driver.ts'
import { layerId, layerOf, openIds, recordId, type Snapshot } from './record.ts'

export interface SnapshotsComponents {
  readonly tables: Tables
  readonly records: Records<typeof snapshotMachine>
  readonly claims: Claims
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
  readonly kind: 'active' | 'view'
}

interface CommitInit {
  readonly key: string
  readonly name: string
  readonly parent?: string | undefined
  readonly implied?: readonly string[] | undefined
  readonly labels?: Labels | undefined
}

/** The verbs, by key and name, on records. What cannot be is refused here or by the machine, in the transaction that would make it so. */
export interface Snapshots {
  prepare(driver: Driver, init: PrepareInit, asked: Asked): Promise<Layer>
  commit(driver: Driver, init: CommitInit, asked: Asked): Promise<Snapshot>
  /** Fails with not_found. */
  get(driver: Driver, key: string): Snapshot
  /** An active one or a view. Fails with not_found or failed_precondition. */
  mountable(driver: Driver, key: string): Layer
  list(driver: Driver, options: { after: string | undefined }): { snapshots: SnapshotInfo[]; more: boolean }
  label(driver: Driver, init: { key: string; labels: Labels }, asked: Asked): Promise<Snapshot>
  usage(driver: Driver, key: string, asked: Asked): Promise<Usage>
  remove(driver: Driver, key: string, asked: Asked): Promise<void>
  /** Records with these ids have reached the disk. */
  settled(ids: readonly string[]): Promise<void>
}

export function openSnapshots({ tables, records, claims, now }: SnapshotsComponents): Snapshots {
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

  /** `event` to a record, in words of who asked: they know a key, not an id. */
  async function send(found: Snapshot, event: Parameters<typeof records.send>[1], { doing, asked }: { doing: string; asked: Asked }) {
    try {
      return await records.send(found.id, event, asked)
    } catch (error) {
      const state = records.get(found.id)?.value
      if (isFailure(error, 'not_found') && state === undefined)
        throw new Failure('not_found', `${doing}: it was removed meanwhile`, { cause: error })
      if (isFailure(error, 'failed_precondition') && state !== undefined && !records.can(found.id, event))
        throw new Failure('failed_precondition', `${doing}: it is ${state}`, { cause: error })
      throw error
    }
  }

  const snapshots: Snapshots = {
    async prepare(driver, { key, parent, labels = {}, kind }, asked) {
      const doing = `prepare ${key}`
      const holder = claims.holder(driver.name, key)
      if (holder !== undefined) throw new Failure('already_exists', `${doing}: the key is taken`)
      const ground = parent === undefined ? { ancestors: [] } : groundOn(driver, parent, doing)
      const id = recordId(driver.name, await nextId(driver))
      asked.signal.throwIfAborted()
      return layerOf(await records.create(id, { driver: driver.name, key, kind, labels, ...ground, at: now() }, asked))
    },
    async commit(driver, { key, name, parent, implied = [], labels = {} }, asked) {
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
      const commitment: Commitment = { name, labels, implied: parent === undefined ? [] : implied, ...ground }
      return await send(found, { type: 'commit', commitment }, { doing, asked })
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
    list(driver, { after }) {
      const claimed = claims.range(driver.name, { after, limit: page + 1 })
      const found = claimed.slice(0, page).flatMap(({ key, id }) => {
        const record = records.get(id)
        return record?.context.key === key ? [infoOf(record)] : []
      })
      return { snapshots: found, more: claimed.length > page }
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
    async remove(driver, key, asked) {
      const doing = `remove ${key}`
      await send(find(driver, key, doing), { type: 'remove' }, { doing, asked })
    },
    async settled(ids) {
      await Promise.all(ids.map((id) => records.send(id, { type: 'settled' }).catch(ifRemoved)))
    },
  }
  return snapshots
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
function ifRemoved(error: unknown): void {
  if (!isFailure(error, 'not_found', 'failed_precondition')) throw error
}
