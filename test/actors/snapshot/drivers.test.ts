import { snapshotDriverSuite } from '../../conformance/snapshots.ts'

snapshotDriverSuite('overlay')
snapshotDriverSuite('native', { copies: true })
