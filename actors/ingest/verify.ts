import { Failure } from '../../messages/grammar/index.ts'
import { type Digest, digestParts } from '../../messages/words/index.ts'
import type { Writer } from './writer.ts'

/** What the file of an ingest must turn out to be. */
export interface Wanted {
  readonly reference: string
  readonly digests: readonly Digest[]
  readonly sizes: readonly number[]
}

/** Check size, then digest, of what is on disk. Fails with failed_precondition, whose details say which; the file stays as it is. Answers the size. */
export async function verify(writer: Writer, wanted: Wanted, options: { signal: AbortSignal }): Promise<number> {
  const size = await writer.size()
  for (const said of wanted.sizes) {
    if (said !== size) throw mismatch('size', wanted.reference, `${size} bytes are there, ${said} were said`, { size, expected: said })
  }
  for (const expected of wanted.digests) {
    const digest = await writer.digest(digestParts(expected).algorithm, options)
    if (digest !== expected) throw mismatch('digest', wanted.reference, `what is there is ${digest}, not ${expected}`, { digest, expected })
  }
  return size
}

const mismatch = (reason: 'size' | 'digest', reference: string, why: string, details: Record<string, unknown>) =>
  new Failure('failed_precondition', `commit ingest ${reference}: ${why}`, { details: { reason, ...details } })
