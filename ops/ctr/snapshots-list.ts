import type { Command } from 'commander'
import type { Client } from '../../messages/grammar/index.ts'
import { isFailure } from '../../messages/grammar/index.ts'
import type { SnapshotInfo, snapshot } from '../../messages/snapshot.ts'
import type { Underway, unpack } from '../../messages/unpack.ts'
import { addFilters, type FilterOptions } from '../command/filters.ts'
import { ago, type Column, listing, print, short, size } from '../command/output.ts'
import { asking } from '../command/session.ts'
import { addDriver, type DriverOptions, everySnapshot } from '../command/snapshots.ts'

interface ListOptions extends DriverOptions, FilterOptions {
  readonly quiet?: boolean
}

/** `ctr snapshots list [-q] [--driver …] [--filter …]`: the snapshots of a driver, and how far those are that are being unpacked. */
export function snapshotsList(command: Command): void {
  addFilters(addDriver(command))
    .option('-q, --quiet', 'print only the keys')
    .action(
      asking<ListOptions>(async ({ ask, listing: how }, { options: { quiet = false, ...options } }) => {
        const [found, unpacking] = await Promise.all([
          everySnapshot(ask<typeof snapshot>('snapshot'), options),
          quiet ? new Map() : underway(ask<typeof unpack>('unpack')),
        ])
        const rows: Row[] = found.map((info) => ({ ...info, ...(info.kind === 'active' && unpacking.get(info.key)) }))
        print(quiet ? rows.map(({ key }) => key) : listing(rows, columns, how))
      }),
    )
}

type Row = SnapshotInfo & { readonly unpacking?: Pick<Underway, 'offset' | 'size' | 'written' | 'entries'> }

/** What is being unpacked, by the key of its snapshot. A node that unpacks nothing, because it was told so, has none. */
async function underway(unpacker: Client<typeof unpack>): Promise<Map<string, Pick<Row, 'unpacking'>>> {
  try {
    const found = (await unpacker.list({})).underway.filter(({ kind }) => kind === 'apply')
    return new Map(
      found.map(({ label, offset, size, written, entries }) => [
        label,
        { unpacking: { offset, ...(size !== undefined && { size }), written, entries } },
      ]),
    )
  } catch (error) {
    if (isFailure(error, 'unavailable')) return new Map()
    throw error
  }
}

const columns: Column<Row>[] = [
  { head: 'KEY', value: ({ key }) => key, shown: ({ key }) => short(key) },
  { head: 'PARENT', value: ({ parent }) => parent, shown: ({ parent }) => short(parent ?? '-') },
  { head: 'KIND', value: ({ kind }) => kind },
  { head: 'DRIVER', value: ({ driver }) => driver },
  { head: 'CREATED', value: ({ createdAt }) => createdAt, shown: ({ createdAt }) => ago(createdAt) },
  {
    head: 'UNPACKED',
    value: ({ unpacking }) => unpacking?.written,
    shown: ({ unpacking }) => (unpacking === undefined ? '-' : `${shareOf(unpacking)}${size(unpacking.written)}`),
  },
  { head: 'ENTRIES', value: ({ unpacking }) => unpacking?.entries },
]

const shareOf = ({ offset, size: total }: { offset: number; size?: number | undefined }): string =>
  total === undefined || total === 0 ? '' : `${Math.floor((100 * Math.min(offset, total)) / total)} % `
