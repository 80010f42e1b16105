import type { Command } from 'commander'
import { Failure } from '../../messages/grammar/index.ts'
import type { lease } from '../../messages/lease.ts'
import { isDigest } from '../../messages/words/is-digest.ts'
import type { Thing } from '../../messages/words/thing.ts'
import { asking } from '../command/session.ts'

/** `ctr leases add ID THING…`: have a lease hold things that are there, all or none. */
export function leasesAdd(command: Command): void {
  command
    .argument('<id>', 'of the lease')
    .argument('<things...>', 'digests of blobs, or kind/key: snapshot/overlay/KEY, image/NAME, container/ID, ingest/REF')
    .action(
      asking(async ({ ask }, { args: [id = '', ...things] }) => {
        await ask<typeof lease>('lease').add({ id, things: things.map(thingOf) })
      }),
    )
}

const kinds: readonly Thing['kind'][] = ['content', 'ingest', 'snapshot', 'image', 'container']

function thingOf(text: string): Thing {
  if (isDigest(text)) return { kind: 'content', key: text }
  const kind = kinds.find((one) => text.startsWith(`${one}/`) && text.length > one.length + 1)
  if (kind === undefined) throw new Failure('invalid_argument', `hold ${JSON.stringify(text)}: a digest or kind/key is wanted`)
  return { kind, key: text.slice(kind.length + 1) }
}
