import type { Command } from 'commander'
import type { content } from '../../messages/content.ts'
import { listBlobs } from '../command/blobs.ts'
import { asking } from '../command/session.ts'

/** `ctr content ls [-q]`: as `dist list`. */
export function contentLs(command: Command): void {
  command.option('-q, --quiet', 'print only the digests').action(
    asking<{ quiet?: boolean }>(async ({ ask, listing }, { options }) => {
      await listBlobs(ask<typeof content>('content'), listing, { quiet: options.quiet ?? false })
    }),
  )
}
