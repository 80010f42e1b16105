import type { Command } from 'commander'
import type { content } from '../../messages/content.ts'
import { type Column, listing, print, size } from '../command/output.ts'
import { asking } from '../command/session.ts'

/** `dist usage`: what the content store takes up, and what is left on its disk. */
export function usage(command: Command): void {
  command.action(
    asking(async ({ ask, listing: how }) => {
      const { blobs, ingests, free } = await ask<typeof content>('content').usage({})
      if (how.json) return print([JSON.stringify({ blobs, ingests, free })])
      print(
        listing(
          [
            { what: 'blobs', ...blobs },
            { what: 'ingests', ...ingests },
            { what: 'free', size: free },
          ],
          columns,
          how,
        ),
      )
    }),
  )
}

interface Row {
  readonly what: string
  readonly count?: number
  readonly size: number
}

const columns: Column<Row>[] = [
  { head: 'WHAT', value: ({ what }) => what },
  { head: 'COUNT', value: ({ count }) => count },
  { head: 'SIZE', value: (row) => row.size, shown: (row) => size(row.size) },
]
