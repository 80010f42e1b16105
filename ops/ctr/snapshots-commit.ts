import type { Command } from 'commander'
import type { snapshot } from '../../messages/snapshot.ts'
import { labelsOf } from '../command/labels.ts'
import { print } from '../command/output.ts'
import { asking } from '../command/session.ts'
import { addDriver, type DriverOptions, driverOf } from '../command/snapshots.ts'

interface CommitOptions extends DriverOptions {
  readonly parent?: string
  readonly label?: string[]
  readonly lease?: string
}

const patienceMs = 120_000

/** `ctr snapshots commit NAME KEY`: freeze an active snapshot under a name; prints the name. */
export function snapshotsCommit(command: Command): void {
  addDriver(command.argument('<name>', 'it is to have').argument('<key>', 'it has'))
    .option('--parent <name>', 'of one that was prepared without, where the driver can rebase')
    .option('--label <key=value>', 'may be repeated', (value: string, all: string[] = []) => [...all, value])
    .option('--lease <id>', 'holds it; the one it was prepared under if left out')
    .action(
      asking<CommitOptions>(async ({ ask, listing: { json } }, { args: [name = '', key = ''], options }) => {
        const { parent, label, lease } = options
        const info = await ask<typeof snapshot>('snapshot').commit(
          {
            key,
            name,
            ...driverOf(options),
            ...(parent !== undefined && { parent }),
            ...(label !== undefined && { labels: labelsOf(label) }),
            ...(lease !== undefined && { lease }),
          },
          { timeoutMs: patienceMs },
        )
        print([json ? JSON.stringify(info) : info.key])
      }),
    )
}
