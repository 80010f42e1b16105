import { open } from 'node:fs/promises'
import { Failure } from '../../messages/grammar/index.ts'
import type { Digest } from '../../messages/words/index.ts'
import { fromErrno } from '../../runtime/errno.ts'

/** Which bytes of which file. */
export interface Piece {
  readonly digest: Digest
  readonly path: string
  /** of the whole blob */
  readonly size: number
  readonly offset: number
  readonly length: number
}

/**
 * Read a piece; shorter where the blob ends, empty exactly at its end. Fails with out_of_range past it, with data_loss when the file is gone or shorter than it was.
 */
export async function readPiece({ digest, path, size, offset, length }: Piece, options: { signal: AbortSignal }): Promise<Uint8Array> {
  const attempted = `read ${length} bytes at ${offset} of ${digest}`
  if (offset > size) throw new Failure('out_of_range', `${attempted}: it has ${size}`, { details: { size } })
  options.signal.throwIfAborted()
  await using file = await open(path, 'r').catch((error: unknown) => {
    throw fromErrno(error, attempted)
  })
  const bytes = new Uint8Array(Math.min(length, size - offset))
  for (let done = 0; done < bytes.length; ) {
    const { bytesRead } = await file.read(bytes, done, bytes.length - done, offset + done).catch((error: unknown) => {
      throw fromErrno(error, attempted)
    })
    if (bytesRead === 0) throw new Failure('data_loss', `${attempted}: its file ends at ${offset + done}`)
    options.signal.throwIfAborted()
    done += bytesRead
  }
  return bytes
}
