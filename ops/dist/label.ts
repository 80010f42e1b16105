import type { Command } from 'commander'
import type { content } from '../../messages/content.ts'
import { labelsOf } from '../command/labels.ts'
import { print } from '../command/output.ts'
import { printable } from '../command/printable.ts'
import { asking } from '../command/session.ts'

/** `dist label DIGEST KEY=VALUE…`: set labels of a blob, take them away with `KEY=`; prints those it has then. */
export function label(command: Command): void {
  command
    .argument('<digest>', 'of a blob')
    .argument('[labels...]', 'key=value, or key= to take it away')
    .action(
      asking(async ({ ask, listing }, { args: [digest = '', ...words] }) => {
        const store = ask<typeof content>('content')
        const labels = labelsOf(words)
        const info = words.length > 0 ? await store.label({ digest, labels }) : await store.info({ digest })
        print(listing.json ? [JSON.stringify(info)] : Object.entries(info.labels).map(([key, value]) => printable(`${key}=${value}`)))
      }),
    )
}
