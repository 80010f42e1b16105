import { type Client, isFailure } from '../../messages/grammar/index.ts'
import type { ingest, Writer } from '../../messages/ingest.ts'

export type Ingests = Client<typeof ingest>

/** What is to become content. */
export interface Wanted {
  readonly reference: string
  readonly expected?: string
  readonly total?: number
  readonly lease?: string
  /** this process, as the node sees it */
  readonly writer: Writer
}

/** The right to write, and how far it is written. */
export interface Grant {
  readonly token: string
  readonly path: string
  readonly offset: number
  /** ms after which a writer elsewhere that was not heard is taken for dead */
  readonly silenceMs?: number | undefined
}

/**
 * Open an ingest. While another writer has it, wait to be told that it is done or has left it: content then, it fails with already_exists; unfinished, it is
 * gone on with here.
 */
export async function openIngest(store: Ingests, wanted: Wanted): Promise<Grant> {
  // our own token: an open whose answer was lost can be asked again
  const token = crypto.randomUUID()
  for (;;) {
    try {
      return await store.open({ ...wanted, token })
    } catch (error) {
      if (!isFailure(error, 'unavailable') || error.details?.['holder'] === undefined) throw error
    }
    await released(store, wanted.reference)
  }
}

/** Resolves when nobody writes an ingest any more, whatever became of it. */
async function released(store: Ingests, reference: string): Promise<void> {
  try {
    for await (const { state } of store.follow({ reference })) if (state === 'closed') return
  } catch (error) {
    // it is gone, or was started over
    if (!isFailure(error, 'not_found', 'data_loss')) throw error
  }
}
