import type { SnapshotRoom } from '../../support/snapshots.ts'

/** A new room for one test, whose default driver is the one the suite is about. */
export type Open = () => Promise<SnapshotRoom>

/** What a driver is, beside what all of them are. */
export interface Trait {
  /** a child takes up again what its parent does */
  readonly copies?: boolean
}
