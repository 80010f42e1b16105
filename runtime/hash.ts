import { createHash } from 'node:crypto'
import { open } from 'node:fs/promises'
import { fromErrno } from './errno.ts'

const sliceBytes = 1024 * 1024

/**
 * The hex of a whole file, and its size; read in slices through one buffer, off the thread. `attempted` begins what its failures say.
 */
export async function hashFile(
  path: string,
  init: { algorithm: string; attempted: string },
  options: { signal: AbortSignal },
): Promise<{ hex: string; size: number }> {
  options.signal.throwIfAborted()
  try {
    await using file = await open(path, 'r')
    const hash = createHash(init.algorithm)
    const slice = Buffer.allocUnsafeSlow(sliceBytes)
    for (let size = 0; ; ) {
      const { bytesRead } = await file.read(slice, 0, slice.length, size)
      options.signal.throwIfAborted()
      if (bytesRead === 0) return { hex: hash.digest('hex'), size }
      hash.update(slice.subarray(0, bytesRead))
      size += bytesRead
    }
  } catch (error) {
    options.signal.throwIfAborted()
    throw fromErrno(error, init.attempted)
  }
}
