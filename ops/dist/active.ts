import type { Command } from 'commander'
import type { ingest, Status } from '../../messages/ingest.ts'
import { addFilters, type FilterOptions, filtersOf } from '../command/filters.ts'
import { ago, type Column, listing, print, short, size } from '../command/output.ts'
import { asking } from '../command/session.ts'

/** `dist active [--filter …]`: what is on its way into the content store, or was left unfinished. With `--json` all that is known of it. */
export function active(command: Command): void {
  addFilters(command).action(
    asking<FilterOptions>(async (session, { options }) => {
      const { ingests } = await session.ask<typeof ingest>('ingest').list(filtersOf(options))
      print(listing(ingests, columns, session.listing))
    }),
  )
}

const columns: Column<Status>[] = [
  { head: 'REF', value: ({ reference }) => reference, shown: ({ reference }) => short(reference) },
  { head: 'SIZE', value: ({ offset }) => offset, shown: ({ offset }) => size(offset) },
  { head: 'AGE', value: ({ startedAt }) => startedAt, shown: ({ startedAt }) => ago(startedAt) },
]
