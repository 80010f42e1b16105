import type { Command } from 'commander'
import type { content } from '../../messages/content.ts'
import { type ListOptions, listBlobs } from '../command/blobs.ts'
import { addFilters } from '../command/filters.ts'
import { asking } from '../command/session.ts'

/** `ctr content ls [-q] [--filter …]`: as `dist list`, with labels. */
export function contentLs(command: Command): void {
  addFilters(command)
    .option('-q, --quiet', 'print only the digests')
    .action(
      asking<ListOptions>(
        async ({ ask, listing }, { options }) => await listBlobs(ask<typeof content>('content'), listing, { ...options, labels: true }),
      ),
    )
}
