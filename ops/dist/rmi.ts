import type { Command } from 'commander'
import type { image } from '../../messages/image.ts'
import { collect } from '../command/collecting.ts'
import { each } from '../command/each.ts'
import { fullName } from '../command/full-name.ts'
import { print } from '../command/output.ts'
import { asking } from '../command/session.ts'

/** `dist rmi [--sync] REF…`: forget names. What they named is collected some time later, or at once. */
export function rmi(command: Command): void {
  command
    .argument('<references...>', 'images, as dist images lists them')
    .option('--sync', 'collect what nothing needs any more before it ends')
    .action(
      asking<{ sync?: boolean }>(async (session, { args, options: { sync } }) => {
        const images = session.ask<typeof image>('image')
        const exit = await each('dist', args, async (reference) => {
          const name = fullName(reference)
          await images.remove({ name })
          print([name])
        })
        return exit || (sync ? (await collect('dist', session)).exit : 0)
      }),
    )
}
