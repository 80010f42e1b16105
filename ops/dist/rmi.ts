import type { Command } from 'commander'
import type { image } from '../../messages/image.ts'
import { each } from '../command/each.ts'
import { fullName } from '../command/full-name.ts'
import { print } from '../command/output.ts'
import { asking } from '../command/session.ts'

/** `dist rmi REF…`: forget names. What they named stays until it is deleted or collected. */
export function rmi(command: Command): void {
  command.argument('<references...>', 'images, as dist images lists them').action(
    asking(async ({ ask }, { args }) => {
      const images = ask<typeof image>('image')
      return await each('dist', args, async (reference) => {
        const name = fullName(reference)
        await images.remove({ name })
        print([name])
      })
    }),
  )
}
