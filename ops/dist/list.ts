import type { Command } from 'commander'
import type { content } from '../../messages/content.ts'
import { listBlobs } from '../command/blobs.ts'
import { asking } from '../command/session.ts'

/** `dist list [-q]`: every blob in the content store. */
export function list(command: Command): void {
  command.option('-q, --quiet', 'print only the digests').action(
    asking<{ quiet?: boolean }>(async ({ ask, listing }, { options }) => {
      await listBlobs(ask<typeof content>('content'), listing, { quiet: options.quiet ?? false })
    }),
  )
}
