import type { snapshotMachine } from '../../machines/snapshot.ts'
import type { Log } from '../../messages/grammar/index.ts'
import type { Keeping } from '../../runtime/keeping/keeping.ts'
import type { Records } from '../../runtime/records/records.ts'
import type { Tables } from '../../runtime/tables.ts'
import type { Claims } from './claims.ts'
import type { Driver } from './driver.ts'
import { keepFound } from './kept.ts'
import { recordId, type Snapshot } from './record.ts'

export interface RecoverComponents {
  readonly tables: Tables
  readonly records: Records<typeof snapshotMachine>
  readonly claims: Claims
  readonly keeping: Keeping
  readonly drivers: readonly Driver[]
  readonly log: Log
  /** names the run of the kernel */
  readonly boot: string
}

/**
 * Carry on after a stop of any kind: finish what was begun, say of what was made before what is kept was written
 * down that it is there, take away directories no record knows, and let go of what may not have survived a crash of the
 * machine. Answers the ids of what is still to reach the disk.
 */
export async function recover(components: RecoverComponents): Promise<string[]> {
  const { tables, records, keeping, boot } = components
  await records.resume()
  await tables.transaction(() => {
    for (const record of records.list()) keepFound(keeping, record)
  })
  await removeStrays(components)
  const owed = records.list().filter(({ value, context }) => value === 'committed' && !context.durable)
  await letGo(
    components,
    owed.filter(({ context }) => context.boot !== boot),
  )
  // Within one boot nothing is lost: what a killed process wrote the kernel still has.
  return owed.filter(({ context }) => context.boot === boot).map(({ id }) => id)
}

/** A record is written before its directories are made, and ends after they are put away: without a record they are nobody's. */
async function removeStrays({ records, drivers, log }: RecoverComponents): Promise<void> {
  for (const driver of drivers) {
    for (const id of await driver.ids()) {
      if (records.get(recordId(driver.name, id))) continue
      log.warn({ driver: driver.name, id }, 'remove directories no snapshot has')
      await driver.remove(id)
    }
  }
}

/** Remove what was committed in an earlier run of the kernel and never known to be on disk; leaves first. It is made again when it is needed. */
async function letGo({ records, claims, log }: RecoverComponents, doubtful: readonly Snapshot[]): Promise<void> {
  let left = [...doubtful]
  for (;;) {
    const leaves = left.filter((one) => !claims.hasChildren(one))
    if (leaves.length === 0) break
    for (const { id, context } of leaves) {
      log.warn({ driver: context.driver, name: context.key }, 'let go of a snapshot that may not have survived')
      await records.send(id, { type: 'remove' })
    }
    left = left.filter((one) => !leaves.includes(one))
  }
  for (const { context } of left) log.warn({ driver: context.driver, name: context.key }, 'a snapshot in use may not have survived')
}
