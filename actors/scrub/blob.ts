import { randomUUID } from 'node:crypto'
import type { Info } from '../../messages/content.ts'
import { Failure, isFailure } from '../../messages/grammar/index.ts'
import type { Descriptor, Digest } from '../../messages/words/index.ts'
import { type Asks, slowMs } from './asks.ts'

interface Options {
  readonly signal: AbortSignal
}

/** Why a blob is damaged; undefined when it is sound. Fails with not_found when it is not there any more. */
export async function damageOfBlob(asks: Asks, digest: Digest, { signal }: Options): Promise<string | undefined> {
  try {
    await asks.content.verify({ digest }, { signal, timeoutMs: slowMs })
    return undefined
  } catch (error) {
    if (isFailure(error, 'data_loss')) return error.message
    throw error
  }
}

/**
 * Bring the bytes of a blob again, from other nodes and one of the registries its labels name, or that registry alone, and put them in the place of those that are damaged: at no time is it
 * not there. Fails with not_found when its labels name none, else as the last attempt did.
 */
export async function repairBlob(asks: Asks, blob: Info, options: Options): Promise<void> {
  const descriptor = { digest: blob.digest, size: blob.size, mediaType: blob.labels['gantry.media-type'] ?? 'application/octet-stream' }
  let why: unknown = new Failure('not_found', `fetch ${blob.digest} again: nothing says where it is from`)
  for (const name of sourcesOf(blob)) {
    for (const from of asks.swarm ? (['anybody', 'registry'] as const) : (['registry'] as const)) {
      try {
        return await bring(asks, { name, descriptor, from }, options)
      } catch (error) {
        options.signal.throwIfAborted()
        why = error
      }
    }
  }
  throw why
}

/** References it can be fetched by. */
function sourcesOf({ digest, labels }: Info): string[] {
  return Object.entries(labels).flatMap(([label, value]) => {
    const host = /^gantry\.source\.(.+)$/.exec(label)?.[1]
    return host === undefined ? [] : value.split(',').map((repository) => `${host}/${repository}@${digest}`)
  })
}

/** Not under its digest: who ingests that is told that it is content already. */
const referenceOf = (digest: Digest): string => `scrub-${digest}`

interface Sought {
  readonly name: string
  readonly descriptor: Descriptor
  readonly from: 'anybody' | 'registry'
}

async function bring(asks: Asks, { name, descriptor, from }: Sought, { signal }: Options): Promise<void> {
  const { digest, size } = descriptor
  const reference = referenceOf(digest)
  const token = randomUUID()
  const { path } = await asks.ingest.open({ reference, total: size, token }, { signal })
  try {
    // What another attempt left may be what it failed for.
    await asks.ingest.truncate({ token, offset: 0 }, { signal })
    const lent = { name, descriptor, token, path, offset: 0 }
    for await (const _ of asks.swarm ? asks.swarm.bring({ ...lent, from }, { signal }) : asks.fetch.blob(lent, { signal }));
    await asks.ingest.commit({ token, size, digest, replace: true }, { signal, timeoutMs: slowMs })
  } catch (error) {
    // Not given up with the scrub: it takes a moment, and nobody goes on with what is left.
    await asks.ingest.abort({ reference, token }).catch(() => {})
    throw error
  }
}
