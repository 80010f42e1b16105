import type { Command } from 'commander'
import type { lease } from '../../messages/lease.ts'
import { readLayout } from '../command/layout-archive.ts'
import { listing, print } from '../command/output.ts'
import { platformOf } from '../command/platform.ts'
import { asking } from '../command/session.ts'
import { shortLease } from '../command/short-lease.ts'
import { inputOf } from '../command/standard-input.ts'
import { importBlob } from './import-blob.ts'
import { importImage } from './import-image.ts'
import { namedIn } from './import-names.ts'

interface ImportOptions {
  readonly name?: string
  readonly platform?: string
}

/**
 * `dist import [--name REF] [FILE]`: the images of an OCI layout in an archive, as skopeo, buildah and docker save write it, into the content store, with no registry. Each blob becomes content only
 * when it is what its name says, a name is recorded only when all it names is here, and stands for that from then on, whatever it stood for; what belongs to no image is not kept.
 */
export function importImages(command: Command): void {
  command
    .argument('[file]', 'an archive (tar); - for standard input', '-')
    .option('--name <reference>', 'of the image, whatever the archive calls it; without a tag, its own are put to it')
    .option('--platform <os/architecture>', 'which is meant of several; that of the node if left out')
    .action(
      asking<ImportOptions>(async (session, { args: [file = '-'], options }) => {
        const attempted = `import ${file === '-' ? 'standard input' : file}`
        const wanted = await platformOf(options.platform, attempted)
        await using held = await shortLease(session.ask<typeof lease>('lease'), { 'gantry.import': file })
        const bytes = inputOf(file, attempted, session)
        const index = await readLayout(bytes, async (blob) => await importBlob(session, blob, { lease: held.id }))
        for (const { name, target } of namedIn(index, { attempted, name: options.name })) {
          const { size, platform } = await importImage(session, { name, target, lease: held.id, ...wanted })
          print(listing([{ name, digest: target.digest, size, platform }], columns, { ...session.listing, terminal: false }))
        }
      }),
    )
}

const columns = [
  { head: 'NAME', value: ({ name }: { name: string }) => name },
  { head: 'DIGEST', value: ({ digest }: { digest: string }) => digest },
]
