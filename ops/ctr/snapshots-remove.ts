import type { Command } from 'commander'
import type { snapshot } from '../../messages/snapshot.ts'
import { each } from '../command/each.ts'
import { print } from '../command/output.ts'
import { asking } from '../command/session.ts'
import { addDriver, type DriverOptions, driverOf } from '../command/snapshots.ts'

/** `ctr snapshots remove KEY…`: remove snapshots nothing stands on. */
export function snapshotsRemove(command: Command): void {
  addDriver(command.argument('<keys...>', 'of snapshots, or their names')).action(
    asking<DriverOptions>(async ({ ask, listing: { json } }, { args, options }) => {
      const snapshots = ask<typeof snapshot>('snapshot')
      return await each('ctr', args, async (key) => {
        await snapshots.remove({ key, ...driverOf(options) })
        print([json ? JSON.stringify({ key }) : key])
      })
    }),
  )
}
