import type { Command } from 'commander'
import type { LeaseInfo, lease } from '../../messages/lease.ts'
import { addFilters, type FilterOptions, filtersOf } from '../command/filters.ts'
import { labelsText } from '../command/labels.ts'
import { ago, type Column, listing, print } from '../command/output.ts'
import { pages } from '../command/pages.ts'
import { asking } from '../command/session.ts'

/** `ctr leases ls [-q] [--filter …]`: every lease. */
export function leasesLs(command: Command): void {
  addFilters(command)
    .option('-q, --quiet', 'print only the ids')
    .action(
      asking<FilterOptions & { quiet?: boolean }>(async ({ ask, listing: how }, { options: { quiet, ...filters } }) => {
        const leases = ask<typeof lease>('lease')
        const rows = await pages(
          async (after) => await leases.list({ ...filtersOf(filters), ...(after !== undefined && { after }) }),
          (page) => page.leases,
          ({ id }) => id,
        )
        print(quiet ? rows.map(({ id }) => id) : listing(rows, columns, how))
      }),
    )
}

const columns: Column<LeaseInfo>[] = [
  { head: 'ID', value: ({ id }) => id },
  { head: 'AGE', value: ({ createdAt }) => createdAt, shown: ({ createdAt }) => ago(createdAt) },
  { head: 'EXPIRES', value: ({ expiresAt }) => expiresAt },
  { head: 'LABELS', value: ({ labels }) => labelsText(labels) },
]
