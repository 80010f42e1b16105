import type { Command } from 'commander'
import type { snapshot } from '../../messages/snapshot.ts'
import { each } from '../command/each.ts'
import { type Column, listing, print, short, size } from '../command/output.ts'
import { asking } from '../command/session.ts'
import { addDriver, type DriverOptions, driverOf, everySnapshot } from '../command/snapshots.ts'

/** Every file of a snapshot is looked at. */
const patienceMs = 600_000

/** `ctr snapshots usage [KEY…]`: what snapshots take up themselves, their parents excluded; all of them if none is named. */
export function snapshotsUsage(command: Command): void {
  addDriver(command.argument('[keys...]', 'of snapshots, or their names; every one if left out')).action(
    asking<DriverOptions>(async ({ ask, listing: how }, { args, options }) => {
      const snapshots = ask<typeof snapshot>('snapshot')
      const keys = args.length > 0 ? args : (await everySnapshot(snapshots, options)).map(({ key }) => key)
      const rows: Row[] = []
      const exit = await each('ctr', keys, async (key) => {
        rows.push({ key, ...(await snapshots.usage({ key, ...driverOf(options) }, { timeoutMs: patienceMs })) })
      })
      print(rows.length > 0 || args.length === 0 ? listing(rows, columns, how) : [])
      return exit
    }),
  )
}

interface Row {
  readonly key: string
  readonly size: number
  readonly inodes: number
}

const columns: Column<Row>[] = [
  { head: 'KEY', value: ({ key }) => key, shown: ({ key }) => short(key) },
  { head: 'SIZE', value: (row) => row.size, shown: (row) => size(row.size) },
  { head: 'INODES', value: ({ inodes }) => inodes },
]
