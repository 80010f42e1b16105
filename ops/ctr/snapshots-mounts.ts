import type { Command } from 'commander'
import { Failure } from '../../messages/grammar/index.ts'
import type { snapshot } from '../../messages/snapshot.ts'
import { asking } from '../command/session.ts'
import { addDriver, type DriverOptions, driverOf } from '../command/snapshots.ts'
import { printMounts } from './print-mounts.ts'

/** `ctr snapshots mounts [TARGET] KEY`: the command line that mounts an active snapshot or a view at a directory; without one it is to be written after it. */
export function snapshotsMounts(command: Command): void {
  addDriver(command.argument('<words...>', 'the directory to mount at, if any, then the key of an active snapshot or a view'))
    .usage('[options] [target] <key>')
    .action(
      asking<DriverOptions>(async ({ ask, listing }, { args, options }) => {
        const [key = '', target, ...more] = args.toReversed()
        if (more.length > 0) throw new Failure('invalid_argument', `mount ${key}: a target and a key are wanted, not ${args.length} words`)
        const found = await ask<typeof snapshot>('snapshot').mounts({ key, ...driverOf(options) })
        printMounts(found, { target, listing })
      }),
    )
}
