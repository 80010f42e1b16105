import { type Command, Option } from 'commander'
import type { Finding } from '../../messages/scrub.ts'
import type { Column } from '../command/output.ts'
import { scrubbing } from '../command/scrubbing.ts'
import { asking } from '../command/session.ts'

interface ScrubOptions {
  readonly repair?: boolean
  readonly kind?: ('content' | 'snapshot')[]
}

const kinds = ['content', 'snapshot']

/** `gantry scrub [--repair] [--kind …] [KEY…]`: look at blobs and snapshots again; exit code 13 when something stays damaged. */
export function scrub(command: Command): void {
  command
    .argument('[keys...]', 'digests of blobs, driver/key of snapshots; everything if left out')
    .option('--repair', 'make again what is damaged: from a registry, or from its layer')
    .addOption(new Option('--kind <kinds...>', 'only these').choices(kinds))
    .action(
      asking<ScrubOptions>(
        async (session, { args: keys, options: { repair, kind } }) =>
          await scrubbing(session, { program: 'gantry', keys, repair, columns, ...(kind && { kinds: kind }) }),
      ),
    )
}

const columns: Column<Finding>[] = [
  { head: 'KIND', value: ({ kind }) => kind },
  { head: 'KEY', value: ({ key }) => key },
  { head: 'STATE', value: ({ state }) => state },
  { head: 'WHY', value: ({ why }) => why },
]
