import type { Command } from 'commander'
import type { snapshot } from '../../messages/snapshot.ts'
import { labelsOf } from '../command/labels.ts'
import { print } from '../command/output.ts'
import { printable } from '../command/printable.ts'
import { asking } from '../command/session.ts'
import { addDriver, type DriverOptions, driverOf } from '../command/snapshots.ts'

/** `ctr snapshots label KEY [NAME=VALUE…]`: set labels of a snapshot, take them away with `NAME=`; prints those it has then. */
export function snapshotsLabel(command: Command): void {
  addDriver(command.argument('<key>', 'of a snapshot, or its name').argument('[labels...]', 'key=value, or key= to take it away')).action(
    asking<DriverOptions>(async ({ ask, listing: { json } }, { args: [key = '', ...words], options }) => {
      const snapshots = ask<typeof snapshot>('snapshot')
      const about = { key, ...driverOf(options) }
      const info = words.length > 0 ? await snapshots.label({ ...about, labels: labelsOf(words) }) : await snapshots.stat(about)
      print(json ? [JSON.stringify(info)] : Object.entries(info.labels).map(([label, value]) => printable(`${label}=${value}`)))
    }),
  )
}
