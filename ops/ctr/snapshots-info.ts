import type { Command } from 'commander'
import type { snapshot } from '../../messages/snapshot.ts'
import { print } from '../command/output.ts'
import { asking } from '../command/session.ts'
import { addDriver, type DriverOptions, driverOf } from '../command/snapshots.ts'

/** `ctr snapshots info KEY`: what is known of a snapshot, in JSON; on one line with `--json`. */
export function snapshotsInfo(command: Command): void {
  addDriver(command.argument('<key>', 'of a snapshot, or its name')).action(
    asking<DriverOptions>(async ({ ask, listing: { json } }, { args: [key = ''], options }) => {
      const info = await ask<typeof snapshot>('snapshot').stat({ key, ...driverOf(options) })
      print([JSON.stringify(info, null, json ? 0 : 2)])
    }),
  )
}
