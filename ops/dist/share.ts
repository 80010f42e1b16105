import type { Command } from 'commander'
import type { tag } from '../../messages/tag.ts'
import { each } from '../command/each.ts'
import { fullName } from '../command/full-name.ts'
import { listing, print } from '../command/output.ts'
import { asking } from '../command/session.ts'
import { columns } from './tags.ts'

/** `dist share IMAGE…`: have the cluster answer for names of images that are here, with no registry, so that every node can pull them. */
export function share(command: Command): void {
  command.argument('<references...>', 'images, as dist images lists them').action(
    asking(async ({ ask, listing: how }, { args }) => {
      const tags = ask<typeof tag>('tag')
      return await each('dist', args, async (reference) => {
        const known = await tags.share({ name: fullName(reference) })
        print(listing([known], columns, { ...how, terminal: false }))
      })
    }),
  )
}
