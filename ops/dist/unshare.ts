import type { Command } from 'commander'
import type { tag } from '../../messages/tag.ts'
import { each } from '../command/each.ts'
import { fullName } from '../command/full-name.ts'
import { print } from '../command/output.ts'
import { asking } from '../command/session.ts'

/** `dist unshare IMAGE…`: leave names to their registries again; the images stay. */
export function unshare(command: Command): void {
  command.argument('<references...>', 'names, as dist tags lists them').action(
    asking(async ({ ask }, { args }) => {
      const tags = ask<typeof tag>('tag')
      return await each('dist', args, async (reference) => {
        const name = fullName(reference)
        await tags.unshare({ name })
        print([name])
      })
    }),
  )
}
