import type { Command } from 'commander'
import type { ingest } from '../../messages/ingest.ts'
import { each } from '../command/each.ts'
import { print } from '../command/output.ts'
import { asking } from '../command/session.ts'

/** `dist abort REF…`: throw away ingests nobody writes, with what they have. */
export function abort(command: Command): void {
  command.argument('<references...>', 'of ingests, as dist active lists them').action(
    asking(async ({ ask }, { args }) => {
      const ingests = ask<typeof ingest>('ingest')
      return await each('dist', args, async (reference) => {
        await ingests.abort({ reference })
        print([reference])
      })
    }),
  )
}
