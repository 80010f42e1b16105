import type { Command } from 'commander'
import type { content } from '../../messages/content.ts'
import { type Client, Failure } from '../../messages/grammar/index.ts'
import type { lease } from '../../messages/lease.ts'
import type { Compared, unpack } from '../../messages/unpack.ts'
import { addCompression, type CompressionOptions } from '../command/compression.ts'
import { type EpochOptions, epochHelp, epochOf } from '../command/epoch.ts'
import { labelsOf } from '../command/labels.ts'
import { print } from '../command/output.ts'
import { readBlob } from '../command/read-blob.ts'
import { asking, type Session } from '../command/session.ts'
import { shortLease } from '../command/short-lease.ts'
import { addDriver, type DriverOptions, driverOf } from '../command/snapshots.ts'
import { writeOut } from '../command/write-out.ts'

interface DiffOptions extends CompressionOptions, EpochOptions, DriverOptions {
  readonly keep?: boolean
  readonly label?: string[]
  readonly output?: string
}

/**
 * `dist diff KEY [LOWER]`: what a snapshot has changed over its parent, or over any other, as a layer: written to standard output, or a file. With `--keep` it stays in the content store until it is
 * deleted, and its descriptor is printed instead. The same two snapshots give the same bytes.
 */
export function diff(command: Command): void {
  addCompression(
    addDriver(
      command.argument('<key>', 'of a snapshot, or its name').argument('[lower]', 'name of another; the parent of the first if left out'),
    ),
  )
    .option('--epoch <time>', epochHelp)
    .option('-o, --output <file>', 'write the layer to; - for standard output, a terminal even')
    .option('--keep', 'keep the layer in the content store, and print its descriptor')
    .option('--label <labels...>', 'key=value, for the blob')
    .action(
      asking<DiffOptions>(async (session, { args: [upper = '', lower], options }) => {
        const { compression, keep, output, label = [] } = options
        if (!keep && output === undefined && session.listing.terminal)
          throw new Failure('invalid_argument', `diff ${upper}: a layer is nothing for a terminal; give --keep, --output, or a pipe`)
        const labels = { ...labelsOf(label), ...(keep && { 'gantry.gc.root': 'true' }) }
        const request = {
          upper,
          ...(lower !== undefined && { lower }),
          compression,
          labels,
          ...driverOf(options),
          ...epochOf(options, process.env),
        }
        await using held = await shortLease(session.ask<typeof lease>('lease'), { 'gantry.diff': upper })
        const made = await compare(session, { ...request, lease: held.id })
        if (!keep || output !== undefined)
          await writeOut(readBlob(session.ask<typeof content>('content'), made.descriptor, session), output ?? '-', session)
        if (keep) print([JSON.stringify(session.listing.json ? made : made.descriptor)])
      }),
    )
}

async function compare({ ask }: Session, request: Parameters<Client<typeof unpack>['compare']>[0]): Promise<Compared> {
  let last: Compared | undefined
  for await (const item of ask<typeof unpack>('unpack').compare(request)) if ('diffId' in item) last = item
  if (last === undefined) throw new Failure('data_loss', `diff ${request.upper}: nothing was said of the layer`)
  return last
}
