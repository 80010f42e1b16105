import type { content } from '../../messages/content.ts'
import { type Client, Failure, isFailure } from '../../messages/grammar/index.ts'
import type { ingest } from '../../messages/ingest.ts'
import type { Digest } from '../../messages/words/index.ts'
import type { Growth } from './source.ts'

/** Who knows how far a blob is. */
export interface GrowthComponents {
  readonly ingest: Pick<Client<typeof ingest>, 'follow'>
  readonly content: Pick<Client<typeof content>, 'locate'>
}

/**
 * How far a blob is on disk, as its ingest tells; one nobody ingests is content, whole, or not_found. A blob that is not on its way any more fails with
 * details `{reason: 'blob'}`: whoever brings it knows why.
 */
export async function* growthOf(
  { ingest, content }: GrowthComponents,
  digest: Digest,
  asking: { signal: AbortSignal; trace: string },
): AsyncGenerator<Growth> {
  try {
    for await (const { path, offset, state } of ingest.follow({ reference: digest }, asking))
      yield { path, offset, complete: state === 'committed' }
  } catch (error) {
    if (!isFailure(error, 'not_found')) throw lost(error)
    const { path, size } = await content.locate({ digest }, asking).catch((missing: unknown) => {
      throw lost(missing)
    })
    yield { path, offset: size, complete: true }
  }
}

const lost = (error: unknown): unknown =>
  isFailure(error, 'not_found', 'data_loss')
    ? new Failure(error.code, error.message, { details: { ...error.details, reason: 'blob' }, cause: error })
    : error
