import { Failure, isFailure } from '../../messages/grammar/index.ts'
import { type Digest, digestParts } from '../../messages/words/index.ts'
import { errnoOf } from '../../runtime/errno.ts'
import { hashFile } from '../../runtime/hash.ts'

/** A blob that is said to be at `path`. */
export interface Said {
  readonly digest: Digest
  readonly path: string
  readonly size: number
}

/** Hash the file of a blob again. Fails with data_loss when it is not what it was said to be. */
export async function verifyBlob({ digest, path, size }: Said, options: { signal: AbortSignal }): Promise<void> {
  const { algorithm, hex } = digestParts(digest)
  const attempted = `verify ${digest}`
  const found = await hashFile(path, { algorithm, attempted }, options).catch((error: unknown) => {
    throw isLost(error) ? new Failure('data_loss', (error as Failure).message, { cause: error }) : error
  })
  if (found.hex === hex) return
  const details = { digest: `${algorithm}:${found.hex}`, size: found.size }
  throw new Failure('data_loss', `${attempted}: its ${found.size} bytes are ${details.digest}, ${size} were said`, { details })
}

/** The file is not there, or the disk cannot read it: the bytes are lost, whatever the system calls it. */
const isLost = (error: unknown): boolean => isFailure(error) && lost.has(errnoOf(error.cause) ?? '')
const lost = new Set(['ENOENT', 'ENOTDIR', 'EISDIR', 'ELOOP', 'EIO', 'EBADMSG', 'EUCLEAN', 'EREMOTEIO'])
