import { chmod, rename } from 'node:fs/promises'
import { Failure } from '../../messages/grammar/index.ts'
import { type Digest, digestParts } from '../../messages/words/index.ts'
import { fromErrno } from '../../runtime/errno.ts'
import type { Writer } from './writer.ts'

/** What the file of an ingest must turn out to be. */
export interface Wanted {
  readonly reference: string
  readonly digests: readonly Digest[]
  readonly sizes: readonly number[]
}

/** Check size, then digest, of what is on disk. Fails with data_loss; the file stays as it is. Answers the size. */
export async function verify(writer: Writer, wanted: Wanted, options: { signal: AbortSignal }): Promise<number> {
  const size = await writer.size()
  for (const said of wanted.sizes) {
    if (said !== size) throw mismatch(wanted.reference, `${size} bytes are there`, `${said} were said`, { size, expected: said })
  }
  for (const expected of wanted.digests) {
    const digest = await writer.digest(digestParts(expected).algorithm, options)
    if (digest !== expected) throw mismatch(wanted.reference, `they are ${digest}`, `not ${expected}`, { digest, expected })
  }
  return size
}

/**
 * Make the verified file at `from` the blob at `to`, read-only. Whatever lay at `to` had no record and was left over.
 */
export async function place(from: string, to: string): Promise<void> {
  try {
    await chmod(from, 0o444)
    await rename(from, to)
  } catch (error) {
    throw fromErrno(error, `place a blob at ${to}`)
  }
}

const mismatch = (reference: string, found: string, said: string, details: Record<string, unknown>) =>
  new Failure('data_loss', `commit ingest ${reference}: ${found}, ${said}`, { details })
