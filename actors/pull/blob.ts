import { isFailure } from '../../messages/grammar/index.ts'
import type { Step } from '../../messages/pull.ts'
import type { Descriptor } from '../../messages/words/index.ts'
import type { Asks } from './asks.ts'

/** What is told of a blob on its way. */
export type BlobProgress = Pick<Step, 'status' | 'offset'>

interface BlobOptions {
  readonly signal: AbortSignal
  /** Called with every step forward. The first call means that the blob can be followed in ingest, or is content already. */
  readonly report: (progress: BlobProgress) => void
}

/**
 * Bring one blob from the registry into content, from the byte it is at. Resolves once it is content, whoever brought it.
 * A blob that is not what its descriptor says is thrown away (data_loss); given up or cut off otherwise, its bytes stay to be gone on with.
 */
export async function bringBlob(
  asks: Asks,
  { name, descriptor }: { name: string; descriptor: Descriptor },
  { signal, report }: BlobOptions,
): Promise<void> {
  const lent = await open(asks, descriptor, { signal, report })
  if (!lent) return report({ status: 'exists', offset: descriptor.size })
  const { token } = lent
  let over = false
  try {
    report({ status: 'downloading', offset: lent.offset })
    for await (const { offset } of asks.fetch.blob({ name, descriptor, token, path: lent.path, offset: lent.offset }, { signal }))
      report({ status: 'downloading', offset })
    report({ status: 'verifying', offset: descriptor.size })
    await asks.ingest.commit({ token, size: descriptor.size, digest: descriptor.digest }, { signal, timeoutMs: verifyingMs })
    over = true
  } catch (error) {
    over = isFailure(error, 'already_exists')
    if (over) return
    if (isFailure(error, 'data_loss')) over = await settled(asks.ingest.abort({ reference: descriptor.digest, token }))
    throw error
  } finally {
    if (!over) await settled(asks.ingest.close({ token }))
  }
}

/** Hashing what is left of a large blob on a slow disk may take a while. */
const verifyingMs = 600_000

/**
 * The lent file, or undefined when the blob is, or has become, content. While somebody else has the ingest this follows it, and
 * tries again when it ends, so that nothing is fetched twice.
 */
async function open(asks: Asks, descriptor: Descriptor, { signal, report }: BlobOptions) {
  const { digest, size } = descriptor
  while (true) {
    try {
      return await asks.ingest.open({ reference: digest, expected: digest, total: size }, { signal })
    } catch (error) {
      if (isFailure(error, 'already_exists')) return undefined
      if (!isFailure(error, 'unavailable') || !error.details?.['holder']) throw error
    }
    try {
      for await (const { offset } of asks.ingest.follow({ reference: digest }, { signal })) report({ status: 'waiting', offset })
      return undefined
    } catch (error) {
      if (!isFailure(error, 'not_found', 'data_loss')) throw error
    }
  }
}

/** Cleaning up must neither fail nor be given up: the caller has a failure of its own to tell. Whether it worked. */
const settled = (promise: PromiseLike<unknown>): Promise<boolean> =>
  Promise.resolve(promise).then(
    () => true,
    () => false,
  )
