import type { Command } from 'commander'
import type { Known, tag } from '../../messages/tag.ts'
import { ago, type Column, listing, print, short } from '../command/output.ts'
import { asking } from '../command/session.ts'

/** `dist tags`: every name the cluster knows: what it stands for, since when that is known, whether of its registry or shared, and by which node. */
export function tags(command: Command): void {
  command.action(
    asking(async ({ ask, listing: how }) => {
      const { names } = await ask<typeof tag>('tag').list({})
      print(listing(names, columns, how))
    }),
  )
}

/** How names are listed. */
export const columns: Column<Known>[] = [
  { head: 'NAME', value: ({ name }) => name },
  { head: 'DIGEST', value: ({ descriptor }) => descriptor.digest, shown: ({ descriptor }) => short(descriptor.digest) },
  { head: 'CHECKED', value: ({ checkedAt }) => checkedAt, shown: ({ checkedAt }) => ago(checkedAt) },
  { head: 'SOURCE', value: ({ source }) => source },
  { head: 'BY', value: ({ by }) => by },
]
