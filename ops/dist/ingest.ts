import { type Command, InvalidArgumentError } from 'commander'
import { Failure, isFailure } from '../../messages/grammar/index.ts'
import { digest } from '../command/digest-option.ts'
import { print } from '../command/output.ts'
import { asking } from '../command/session.ts'
import { standardInput } from '../command/standard-input.ts'
import { ingestInput } from './ingest-input.ts'

interface IngestOptions {
  readonly expectedDigest?: string
  readonly expectedSize?: number
  readonly lease?: string
}

/**
 * `dist ingest [--expected-digest D] [--expected-size N] [KEY]`: standard input becomes a blob. What is content already is not read. Left off before its end, by
 * whatever, it is gone on with by the same command with the same input.
 */
export function ingest(command: Command): void {
  command
    .argument('[key]', 'names the transaction, to be gone on with; the expected digest, with - for :, if left out')
    .option('--expected-digest <digest>', 'of the blob', digest)
    .option('--expected-size <bytes>', 'of the blob', whole)
    .option('--lease <id>', 'holds it, and the blob it becomes')
    .action(
      asking<IngestOptions>(async (session, { args: [key], options: { expectedDigest: expected, expectedSize: total, lease } }) => {
        const reference = key ?? expected?.replace(':', '-')
        if (reference === undefined)
          throw new Failure('invalid_argument', 'ingest standard input: neither a key nor --expected-digest is given')
        const wanted = {
          reference,
          ...(expected !== undefined && { expected }),
          ...(total !== undefined && { total }),
          ...(lease !== undefined && { lease }),
        }
        try {
          const info = await ingestInput(session, { name: 'standard input', bytes: standardInput(session) }, wanted)
          if (session.listing.json) print([JSON.stringify(info)])
          else if (expected === undefined) print([info.digest])
        } catch (error) {
          if (!isFailure(error, 'already_exists')) throw error
          process.stderr.write(`dist: ${expected ?? error.details?.['digest'] ?? reference} is content already\n`)
        } finally {
          process.stdin.destroy()
        }
      }),
    )
}

function whole(text: string): number {
  if (!/^\d{1,15}$/.test(text)) throw new InvalidArgumentError('a whole number of bytes is wanted.')
  return Number(text)
}
