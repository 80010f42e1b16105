import { mkdtemp } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, describe } from 'vitest'
import { files } from '../../conformance/snapshots/files.ts'
import { inodes } from '../../conformance/snapshots/inodes.ts'
import { snapshotDriverSuite } from '../../conformance/snapshots.ts'
import { named, openLoop, whyNoLoop } from '../../support/loop.ts'
import { openSnapshotRoom } from '../../support/snapshots.ts'

const why = await whyNoLoop('btrfs')

describe.skipIf(why !== undefined)(named('on btrfs', why), async () => {
  if (why !== undefined) return
  const loop = await openLoop('btrfs')
  afterAll(() => loop[Symbol.asyncDispose]())
  const openWith = (driver: string) => async () => openSnapshotRoom({ driver, root: await mkdtemp(join(loop.path, 'root-')) })

  snapshotDriverSuite('btrfs', { open: openWith('btrfs') })

  // Of the others, what depends on the file system below them.
  describe.for(['overlay', 'native'])('driver %s', (driver) => {
    files(openWith(driver), {})
    inodes(openWith(driver))
  })
})
