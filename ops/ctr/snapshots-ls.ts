import type { Command } from 'commander'
import type { SnapshotInfo, snapshot } from '../../messages/snapshot.ts'
import { ago, type Column, listing, print, short } from '../command/output.ts'
import { pages } from '../command/pages.ts'
import { asking } from '../command/session.ts'

/** `ctr snapshots ls`: the snapshots of a driver. */
export function snapshotsLs(command: Command): void {
  command.option('--driver <name>', 'the default of the node if left out').action(
    asking<{ driver?: string }>(async (session, { options: { driver } }) => {
      const snapshots = session.ask<typeof snapshot>('snapshot')
      const rows = await pages(
        async (after) => await snapshots.list({ ...(after !== undefined && { after }), ...(driver !== undefined && { driver }) }),
        (page) => page.snapshots,
        ({ key }) => key,
      )
      print(listing(rows, columns, session.listing))
    }),
  )
}

const columns: Column<SnapshotInfo>[] = [
  { head: 'KEY', value: ({ key }) => key, shown: ({ key }) => short(key) },
  { head: 'PARENT', value: ({ parent }) => parent, shown: ({ parent }) => short(parent ?? '-') },
  { head: 'KIND', value: ({ kind }) => kind },
  { head: 'DRIVER', value: ({ driver }) => driver },
  { head: 'CREATED', value: ({ createdAt }) => createdAt, shown: ({ createdAt }) => ago(createdAt) },
]
