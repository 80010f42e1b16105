import type { Command } from 'commander'
import type { content } from '../../messages/content.ts'
import { Failure, isFailure } from '../../messages/grammar/index.ts'
import type { ingest } from '../../messages/ingest.ts'
import type { lease } from '../../messages/lease.ts'
import type { Applied, unpack } from '../../messages/unpack.ts'
import { digest } from '../command/digest-option.ts'
import { directoryHere } from '../command/directory.ts'
import { print } from '../command/output.ts'
import { asking, type Session } from '../command/session.ts'
import { shortLease } from '../command/short-lease.ts'
import { standardInput } from '../command/standard-input.ts'
import { ingestInput } from './ingest-input.ts'
import { sayNotKept } from './not-kept.ts'

/**
 * `dist apply [--expected DIFFID] DIR`: unpack a layer on standard input, a tar archive as it is or packed with gzip or zstd, into a directory of this machine; prints its
 * diffId. Deletions it speaks of are carried out there. When it fails, what was unpacked so far stays.
 *
 * A blob is followed while it arrives by its digest and its size, and of standard input neither is known before its end: the layer becomes content first, held by a lease of the
 * command, and is applied then; what is not anybody else's is let go of when it ends.
 */
export function apply(command: Command): void {
  command
    .argument('<directory>', 'on the machine of the node')
    .option('--expected <digest>', 'the diffId it must have: of the archive when it is not packed', digest)
    .action(
      asking<{ expected?: string }>(async (session, { args: [directory = ''], options: { expected } }) => {
        const path = await directoryHere(session, directory, `apply standard input to ${directory}`)
        await using held = await shortLease(session.ask<typeof lease>('lease'), { 'gantry.apply': path })
        const layer = await layerOf(session, held)
        const applied = await applyTo(session, { layer, path, ...(expected !== undefined && { expected }) })
        print([session.listing.json ? JSON.stringify(applied) : applied.diffId])
        sayNotKept('dist', applied.notKept)
      }),
    )
}

/** Standard input as a blob that is content. Nothing of it stays when it does not come to that. */
async function layerOf(session: Session, { id }: { id: string }): Promise<{ digest: string; size: number }> {
  const reference = `apply-${crypto.randomUUID()}`
  try {
    return await ingestInput(session, { name: 'standard input', bytes: standardInput(session) }, { reference, lease: id })
  } catch (error) {
    const known = isFailure(error, 'already_exists') ? error.details?.['digest'] : undefined
    if (typeof known === 'string') return await session.ask<typeof content>('content').info({ digest: known })
    await session
      .ask<typeof ingest>('ingest')
      .abort({ reference }, { signal: undefined })
      .catch(() => {})
    throw error
  } finally {
    process.stdin.destroy()
  }
}

interface Applying {
  readonly layer: { readonly digest: string; readonly size: number }
  readonly path: string
  readonly expected?: string
}

async function applyTo({ ask }: Session, { layer, path, expected }: Applying): Promise<Applied> {
  const request = {
    // how it is packed is seen by its first bytes
    descriptor: { mediaType: 'application/vnd.oci.image.layer.v1.tar', digest: layer.digest, size: layer.size },
    target: { kind: 'directory' as const, path, whiteouts: 'remove' as const },
    ...(expected !== undefined && { expected }),
    label: path,
  }
  for await (const item of ask<typeof unpack>('unpack').apply(request)) if ('diffId' in item) return item
  throw new Failure('unavailable', `apply standard input to ${path}: it ended without saying what it came to`)
}
