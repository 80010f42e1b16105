import type { snapshotMachine } from '../../machines/snapshot.ts'
import type { Log } from '../../messages/grammar/index.ts'
import type { Announcement, Effect } from '../../runtime/records/records.ts'
import type { Driver } from './driver.ts'
import { layerId, layerOf, recordId, type Snapshot } from './record.ts'

type Machine = typeof snapshotMachine

export interface LifeComponents {
  readonly driverOf: (snapshot: Snapshot) => Driver
  /** has got the contents of another, which ends; said again after a crash */
  readonly replaced: (id: string, by: string) => Promise<void>
  /** is out of the way, but still takes up space */
  readonly discarded: (driver: Driver) => void
  readonly now: () => string
  /** the run of the kernel */
  readonly boot: string
  readonly log: Log
}

/** What the machine of a snapshot names, done. Every effect can be done again after a crash. */
export function life(components: LifeComponents) {
  const { driverOf, now, boot, log } = components

  const make: Effect<Machine> = async (snapshot, _, { signal }) => {
    await driverOf(snapshot).prepare(layerOf(snapshot), { signal })
    return { type: 'made' }
  }

  const freeze: Effect<Machine> = async (snapshot, _, { signal }) => {
    const { ancestors, commitment } = snapshot.context
    const layer = { ...layerOf(snapshot), ancestors: commitment?.ancestors ?? ancestors }
    await driverOf(snapshot).commit(layer, commitment?.implied ?? [], { signal })
    return { type: 'frozen', at: now(), boot }
  }

  const exchange: Effect<Machine> = async (snapshot, _, { signal }) => {
    const { replacement } = snapshot.context
    const driver = driverOf(snapshot)
    if (!replacement || !driver.layers) throw new Error(`snapshot ${snapshot.id} takes the place of none`)
    const { of, ancestors, implied } = replacement
    await driver.layers.replace({ id: of, ancestors }, { by: layerId(snapshot.id), implied }, { signal })
    await components.replaced(recordId(driver.name, of), snapshot.id)
    return { type: 'exchanged' }
  }

  const discard: Effect<Machine> = async (snapshot) => {
    const driver = driverOf(snapshot)
    try {
      await driver.remove(layerId(snapshot.id))
    } catch (error) {
      // The snapshot is gone all the same; its directories, which no record knows now, go at the next start.
      log.error({ error, key: snapshot.context.key }, 'remove directories of a snapshot')
    }
    components.discarded(driver)
    return { type: 'discarded' }
  }

  return { effects: { make, freeze, exchange, discard }, announcements }
}

const tellPrepared: Announcement<Machine> = ({ context: { key, driver, parent, kind } }) => ({
  fact: 'prepared',
  entity: key,
  data: { key, driver, kind, ...(parent !== undefined && { parent }) },
})

const tellCommitted: Announcement<Machine> = ({ context: { key: name, driver, parent } }, { key }) => ({
  fact: 'committed',
  entity: name,
  data: { key, name, driver, ...(parent !== undefined && { parent }) },
})

const tellReplaced: Announcement<Machine> = ({ context: { key: name, driver } }) => ({
  fact: 'replaced',
  entity: name,
  data: { name, driver },
})

const tellRemoved: Announcement<Machine> = ({ context: { key, driver } }) => ({ fact: 'removed', entity: key, data: { key, driver } })

const tellUpdated: Announcement<Machine> = ({ context: { key, driver } }) => ({ fact: 'updated', entity: key, data: { key, driver } })

const announcements = { tellPrepared, tellCommitted, tellReplaced, tellUpdated, tellRemoved }
