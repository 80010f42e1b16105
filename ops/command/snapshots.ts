import type { Command } from 'commander'
import type { Client } from '../../messages/grammar/index.ts'
import type { SnapshotInfo, snapshot } from '../../messages/snapshot.ts'
import { type FilterOptions, filtersOf } from './filters.ts'
import { pages } from './pages.ts'

/** Whose snapshots. */
export interface DriverOptions {
  readonly driver?: string | undefined
}

/** `--driver`, for whatever asks of snapshots. */
export const addDriver = (command: Command): Command => command.option('--driver <name>', 'snapshot driver; the node’s default if left out')

/** The part of a request that says so. */
export const driverOf = ({ driver }: DriverOptions): { driver?: string } => (driver === undefined ? {} : { driver })

/** Every snapshot of a driver, by key. */
export const everySnapshot = (snapshots: Client<typeof snapshot>, options: DriverOptions & FilterOptions): Promise<SnapshotInfo[]> =>
  pages(
    async (after) => await snapshots.list({ ...driverOf(options), ...filtersOf(options), ...(after !== undefined && { after }) }),
    (page) => page.snapshots,
    ({ key }) => key,
  )
