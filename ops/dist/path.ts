import type { Command } from 'commander'
import type { content } from '../../messages/content.ts'
import { each } from '../command/each.ts'
import { listing, print } from '../command/output.ts'
import { asking } from '../command/session.ts'

/** `dist path [-q] DIGEST…`: the files blobs lie in. */
export function path(command: Command): void {
  command
    .argument('<digests...>', 'of blobs')
    .option('-q, --quiet', 'print only the paths')
    .action(
      asking<{ quiet?: boolean }>(async (session, { args, options }) => {
        const store = session.ask<typeof content>('content')
        return await each('dist', args, async (digest) => {
          const located = { digest, ...(await store.locate({ digest })) }
          print(options.quiet ? [located.path] : listing([located], columns, { ...session.listing, terminal: false }))
        })
      }),
    )
}

const columns = [
  { head: 'DIGEST', value: ({ digest }: { digest: string }) => digest },
  { head: 'PATH', value: ({ path: file }: { path: string }) => file },
]
