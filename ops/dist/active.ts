import type { Command } from 'commander'
import type { ingest, Status } from '../../messages/ingest.ts'
import { ago, type Column, listing, print, short, size } from '../command/output.ts'
import { asking } from '../command/session.ts'

/** `dist active`: what is on its way into the content store, or was left unfinished. */
export function active(command: Command): void {
  command.action(
    asking(async (session) => {
      const { ingests } = await session.ask<typeof ingest>('ingest').list({})
      print(listing(ingests, columns, session.listing))
    }),
  )
}

const columns: Column<Status>[] = [
  { head: 'REFERENCE', value: ({ reference }) => reference, shown: ({ reference }) => short(reference) },
  { head: 'STATE', value: ({ state }) => state },
  { head: 'OFFSET', value: ({ offset }) => offset, shown: ({ offset }) => size(offset) },
  { head: 'TOTAL', value: ({ total }) => total, shown: ({ total }) => (total === undefined ? '-' : size(total)) },
  { head: 'STARTED', value: ({ startedAt }) => startedAt, shown: ({ startedAt }) => ago(startedAt) },
]
