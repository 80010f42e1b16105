import { type Command, InvalidArgumentError } from 'commander'
import { Failure, isFailure } from '../../messages/grammar/index.ts'
import type { ingest as ingestProtocol } from '../../messages/ingest.ts'
import { isDigest } from '../../messages/words/is-digest.ts'
import { lentTaker, lentWriter } from '../command/lent-taker.ts'
import { print } from '../command/output.ts'
import { asking, type Session } from '../command/session.ts'
import { copy } from './copy.ts'
import { type Ingests, openIngest, type Wanted } from './open-ingest.ts'
import { sendingTaker } from './sending-taker.ts'

interface IngestOptions {
  readonly expectedDigest?: string
  readonly expectedSize?: number
  readonly lease?: string
}

/** A large blob is hashed to its end, and synced, before it is content. */
const commitMs = 600_000

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
          const info = await ingested(session, wanted)
          if (session.listing.json) print([JSON.stringify(info)])
          else if (expected === undefined) print([info.digest])
        } catch (error) {
          if (!isFailure(error, 'already_exists')) throw error
          process.stderr.write(`dist: ${expected ?? error.details?.['digest'] ?? reference} is content already\n`)
        }
      }),
    )
}

/** Bring standard input into the store, and see it become content. */
async function ingested({ ask, here, signal }: Session, blob: Blob) {
  const store = ask<typeof ingestProtocol>('ingest')
  const { wanted, grant, lent } = (here && (await openHere(store, blob))) || (await openElsewhere(store, blob))
  try {
    const again = wanted.expected === undefined ? undefined : async () => await store.open({ ...wanted, token: grant.token })
    await using taker = lent ? lentTaker(store, grant, { signal, again }) : sendingTaker(store, wanted, grant, { signal })
    await copy(process.stdin, taker, wanted, { signal })
  } catch (error) {
    // what has come stays, to be gone on with
    await store.close({ token: grant.token }, { signal: undefined }).catch(() => {})
    throw error
  } finally {
    process.stdin.destroy()
  }
  const { total: size, expected } = wanted
  const claim = { ...(size !== undefined && { size }), ...(expected !== undefined && { digest: expected }) }
  try {
    return await store.commit({ token: grant.token, ...claim }, { timeoutMs: commitMs })
  } catch (error) {
    if (!lent && grant.offset > 0 && isFailure(error, 'failed_precondition')) await startOver(store, wanted)
    throw error
  }
}

type Blob = Omit<Wanted, 'writer'>

/** Undefined when the node does not see this process: it is in a container, say, with the node's files. */
async function openHere(store: Ingests, blob: Blob) {
  const wanted: Wanted = { ...blob, writer: await lentWriter() }
  try {
    return { wanted, grant: await openIngest(store, wanted), lent: true }
  } catch (error) {
    if (isFailure(error, 'failed_precondition') && error.details?.['reason'] === 'writer') return undefined
    throw error
  }
}

async function openElsewhere(store: Ingests, blob: Blob) {
  const wanted: Wanted = { ...blob, writer: 'elsewhere' }
  return { wanted, grant: await openIngest(store, wanted), lent: false }
}

/** What lay there could not be compared with the input, and may be what is wrong: the next time begins anew. */
async function startOver(store: Ingests, wanted: Wanted): Promise<void> {
  const { token } = await store.open(wanted)
  await store.truncate({ token })
  await store.close({ token })
}

function digest(text: string): string {
  if (!isDigest(text)) throw new InvalidArgumentError('a digest is wanted, such as sha256 and 64 hex digits.')
  return text
}

function whole(text: string): number {
  if (!/^\d{1,15}$/.test(text)) throw new InvalidArgumentError('a whole number of bytes is wanted.')
  return Number(text)
}
