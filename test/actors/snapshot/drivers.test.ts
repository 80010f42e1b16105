import { snapshotDriverSuite } from '../../conformance/snapshots.ts'

for (const driver of ['overlay', 'native']) snapshotDriverSuite(driver)
