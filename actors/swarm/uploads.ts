import { Failure } from '../../messages/grammar/index.ts'
import { given } from '../../runtime/given.ts'
import { limit } from '../../runtime/limit.ts'

/** What this node gives to others: so much at once, so much a second. */
export interface Uploads {
  /** Do it when it is its turn. Fails with resource_exhausted when too many wait already. */
  give(bytes: number, work: () => Promise<Uint8Array>, options: { signal: AbortSignal }): Promise<Uint8Array>
}

export interface UploadsInit {
  /** bytes a second; no limit unless given */
  readonly perSecond?: number | undefined
  readonly now: () => number
}

/** Answers made at once, each of half a MiB at most, and requests that wait for their turn. */
const atOnce = 16
const waiting = 4096

export function openUploads({ perSecond, now }: UploadsInit): Uploads {
  const room = limit(atOnce)
  let queued = 0
  /** when what was given so far will have been paid for */
  let paid = 0

  /** Wait until the bytes given before are within what a second allows. */
  async function spend(bytes: number, signal: AbortSignal): Promise<void> {
    if (perSecond === undefined) return
    const at = Math.max(paid, now())
    paid = at + (bytes / perSecond) * 1_000
    if (at > now()) await given(signal, new Promise<void>((resolve) => void setTimeout(resolve, at - now()).unref()))
  }

  return {
    async give(bytes, work, { signal }) {
      if (queued >= waiting) throw new Failure('resource_exhausted', `give ${bytes} bytes to another node: ${queued} wait for theirs`)
      queued++
      try {
        return await room(
          async () => {
            await spend(bytes, signal)
            return await work()
          },
          { signal },
        )
      } finally {
        queued--
      }
    },
  }
}
