import { type Client, Failure, isFailure } from '../../messages/grammar/index.ts'
import type { ingest } from '../../messages/ingest.ts'
import { pieceSize } from '../../messages/swarm.ts'
import { pace } from '../../runtime/pace.ts'
import { retry } from '../../runtime/retry.ts'

/** Tells ingest how far its file is written. */
export interface Telling {
  reached(offset: number): void
  /** Resolves once it has been told all, or cannot be. */
  settle(): Promise<void>
}

export interface TellingComponents {
  readonly ingest: Pick<Client<typeof ingest>, 'advance'>
  readonly failed: (error: Failure) => void
}

/** ms between two words on how far it is */
const tellingMs = 50

/** `failed` is called once, when ingest cannot be told any more. */
export function tellIngest({ ingest, failed }: TellingComponents, { token, offset: from }: { token: string; offset: number }): Telling {
  const tell = async (offset: number): Promise<void> => {
    try {
      await retry(async () => await ingest.advance({ token, offset }), { tries: 3 })
    } catch (error) {
      if (!knowsMore(error, offset)) throw error
    }
  }
  const paced = pace({ tell, failed: (error) => failed(lost(error)) }, { step: pieceSize, intervalMs: tellingMs })
  return {
    reached: (offset) => offset > from && paced.reached(offset),
    settle: () => paced.settle(),
  }
}

/** Ingest counts what its file has when it is opened: also what somebody wrote there whom the word to stop had not reached yet. */
const knowsMore = (error: unknown, offset: number): boolean =>
  isFailure(error, 'out_of_range') && Number(error.details?.['offset']) >= offset

/** The ingest no longer being there is not the registry's "not found". */
function lost(error: unknown): Failure {
  const { code, message } = Failure.from(error)
  const meant = code === 'not_found' || code === 'out_of_range' ? 'failed_precondition' : code
  return new Failure(meant, `bring a blob: its ingest does not go on: ${message}`, { cause: error })
}
