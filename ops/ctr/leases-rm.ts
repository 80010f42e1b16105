import type { Command } from 'commander'
import type { lease } from '../../messages/lease.ts'
import { collect } from '../command/collecting.ts'
import { each } from '../command/each.ts'
import { print } from '../command/output.ts'
import { asking } from '../command/session.ts'

/** `ctr leases rm [--sync] ID…`: end leases. What only they held is collected some time later, or at once. */
export function leasesRm(command: Command): void {
  command
    .argument('<ids...>', 'of leases')
    .option('--sync', 'collect what nothing needs any more before it ends')
    .action(
      asking<{ sync?: boolean }>(async (session, { args, options: { sync } }) => {
        const leases = session.ask<typeof lease>('lease')
        const exit = await each('ctr', args, async (id) => {
          await leases.remove({ id })
          print([id])
        })
        return exit || (sync ? (await collect('ctr', session)).exit : 0)
      }),
    )
}
