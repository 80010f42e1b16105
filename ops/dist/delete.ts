import type { Command } from 'commander'
import type { content } from '../../messages/content.ts'
import { each } from '../command/each.ts'
import { print } from '../command/output.ts'
import { asking } from '../command/session.ts'

/** `dist delete DIGEST…`: delete blobs from the content store. */
export function remove(command: Command): void {
  command.argument('<digests...>', 'of blobs').action(
    asking(async ({ ask }, { args }) => {
      const store = ask<typeof content>('content')
      return await each('dist', args, async (digest) => {
        await store.remove({ digest })
        print([digest])
      })
    }),
  )
}
