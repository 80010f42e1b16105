import type { Command } from 'commander'
import type { content } from '../../messages/content.ts'
import type { fetch } from '../../messages/fetch.ts'
import { isFailure } from '../../messages/grammar/index.ts'
import { parseReference } from '../../messages/words/reference.ts'
import { readBlob } from '../command/read-blob.ts'
import { asking, type Session } from '../command/session.ts'
import { write } from '../command/write.ts'

interface ObjectOptions {
  readonly mediatype?: string
  readonly registry?: boolean
}

/**
 * `dist fetch-object REF`: the bytes of a manifest, an index or, by its digest, any blob, as the registry has them; nothing is stored. They are verified: what is too
 * long to be verified before it is printed ends with exit code 13 if it was not what its digest says.
 */
export function fetchObject(command: Command): void {
  command
    .argument('<reference>', 'host/repository:tag, or @digest of a manifest, an index or a blob')
    .option('--mediatype <type>', 'which document is wanted of those a tag stands for; or what a digest is the one of')
    .option('--registry', 'ask the registry even for a digest that is in the content store')
    .action(
      asking<ObjectOptions>(async (session, { args: [reference = ''], options }) => {
        const bytes = (await stored(session, reference, options)) ?? fetched(session, reference, options)
        for await (const piece of bytes) await write(process.stdout, piece, session)
      }),
    )
}

/** What a digest names is the same everywhere: what is here is not asked for. Undefined when it is not here, or no digest is given. */
async function stored(
  { ask, signal }: Session,
  reference: string,
  { registry }: ObjectOptions,
): Promise<AsyncIterable<Uint8Array> | undefined> {
  const { digest } = parseReference(reference)
  if (digest === undefined || registry) return undefined
  const store = ask<typeof content>('content')
  try {
    const { size } = await store.info({ digest })
    return readBlob(store, { digest, size }, { signal })
  } catch (error) {
    if (isFailure(error, 'not_found')) return undefined
    throw error
  }
}

async function* fetched({ ask }: Session, reference: string, { mediatype: mediaType }: ObjectOptions): AsyncIterable<Uint8Array> {
  const request = { reference, ...(mediaType !== undefined && { mediaType }) }
  for await (const { bytes } of ask<typeof fetch>('fetch').object(request)) yield bytes
}
