import type { Command } from 'commander'
import type { Container, container } from '../../messages/container.ts'
import { ago, type Column, listing, print } from '../command/output.ts'
import { asking } from '../command/session.ts'

/** `ctr containers ls`: every container. */
export function containersLs(command: Command): void {
  command.action(
    asking(async (session) => {
      const { containers } = await session.ask<typeof container>('container').list({})
      print(listing(containers, columns, session.listing))
    }),
  )
}

const columns: Column<Container>[] = [
  { head: 'ID', value: ({ id }) => id },
  { head: 'IMAGE', value: ({ image }) => image },
  { head: 'COMMAND', value: ({ process }) => process.args.join(' ') },
  { head: 'CREATED', value: ({ createdAt }) => createdAt, shown: ({ createdAt }) => ago(createdAt) },
]
