import type { Command } from 'commander'
import type { lease } from '../../messages/lease.ts'
import { milliseconds } from '../command/globals.ts'
import { labelsOf } from '../command/labels.ts'
import { print } from '../command/output.ts'
import { asking } from '../command/session.ts'

interface CreateOptions {
  readonly expires?: number
  readonly label?: string[]
}

/** `ctr leases create [--expires DURATION] [ID]`: make a lease; prints its id. */
export function leasesCreate(command: Command): void {
  command
    .argument('[id]', 'of the lease; made up if left out')
    .option('--expires <duration>', 'from now: 30m, 36h, 0 for never; a day if left out', milliseconds)
    .option('--label <labels...>', 'key=value')
    .action(
      asking<CreateOptions>(async ({ ask, listing }, { args: [id], options: { expires, label = [] } }) => {
        const made = await ask<typeof lease>('lease').create({
          labels: labelsOf(label),
          ...(id !== undefined && { id }),
          ...(expires !== undefined && { seconds: Math.ceil(expires / 1000) }),
        })
        print([listing.json ? JSON.stringify(made) : made.id])
      }),
    )
}
