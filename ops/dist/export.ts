import type { Command } from 'commander'
import type { content } from '../../messages/content.ts'
import { Failure, isFailure } from '../../messages/grammar/index.ts'
import type { Image, image } from '../../messages/image.ts'
import type { lease } from '../../messages/lease.ts'
import { parseReference } from '../../messages/words/reference.ts'
import { fullName } from '../command/full-name.ts'
import { writeLayout } from '../command/layout-archive.ts'
import { readBlob } from '../command/read-blob.ts'
import { asking } from '../command/session.ts'
import { shortLease } from '../command/short-lease.ts'
import { writeOut } from '../command/write-out.ts'
import { blobsOf } from './image-parts.ts'

/** `dist export IMAGE [FILE]`: all that is here of an image as an OCI layout in an archive. The same image gives the same bytes. */
export function exportImage(command: Command): void {
  command
    .argument('<reference>', 'an image, as dist images lists it')
    .argument('[file]', 'the archive (tar) to write; - for standard output', '-')
    .action(
      asking(async (session, { args: [reference = '', file = '-'] }) => {
        const { ask, listing } = session
        const name = fullName(reference)
        if (file === '-' && listing.terminal)
          throw new Failure('invalid_argument', `export ${name}: an archive is nothing for a terminal; give a file, or a pipe`)
        const found = await ask<typeof image>('image').get({ name })
        const blobs = blobsOf(found)
        await using held = await shortLease(ask<typeof lease>('lease'), { 'gantry.export': name })
        const things = blobs.map(({ digest }) => ({ kind: 'content' as const, key: digest }))
        await ask<typeof lease>('lease')
          .add({ id: held.id, things })
          .catch((error: unknown) => {
            throw isFailure(error, 'not_found')
              ? new Failure('failed_precondition', `export ${name}: ${error.message}`, { cause: error })
              : error
          })
        const store = ask<typeof content>('content')
        const archived = blobs.map(({ digest, size }) => ({ digest, size, content: readBlob(store, { digest, size }, session) }))
        await writeOut(writeLayout(indexOf(found), archived), file, session)
      }),
    )
}

/** Says the name twice: whole, as containerd does, and its tag, as the specification does. */
function indexOf({ name, target: { mediaType, digest, size } }: Image): object {
  const { tag } = parseReference(name)
  const annotations = { 'io.containerd.image.name': name, ...(tag !== undefined && { 'org.opencontainers.image.ref.name': tag }) }
  return {
    schemaVersion: 2,
    mediaType: 'application/vnd.oci.image.index.v1+json',
    manifests: [{ mediaType, digest, size, annotations }],
  }
}
