import { describe } from 'vitest'
import { openSnapshotRoom } from '../support/snapshots.ts'
import { files } from './snapshots/files.ts'
import { inodes } from './snapshots/inodes.ts'
import { names } from './snapshots/names.ts'
import type { Open, Trait } from './snapshots/open.ts'
import { parents } from './snapshots/parents.ts'
import { removal } from './snapshots/removal.ts'
import { walks } from './snapshots/walks.ts'

export interface SnapshotSuiteInit extends Trait {
  /** A node with its root where the driver works; anywhere if left out. */
  readonly open?: Open
}

/** What every snapshot driver must do, seen through the snapshot actor and real mounts. What a driver cannot do it says, and the suite asks. */
export function snapshotDriverSuite(driver: string, init: SnapshotSuiteInit = {}): void {
  const { open = () => openSnapshotRoom({ driver }), ...trait } = init
  describe(`snapshots of driver ${driver}`, () => {
    names(open)
    walks(open)
    removal(open)
    parents(open)
    files(open, trait)
    inodes(open)
  })
}
