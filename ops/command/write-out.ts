import { open, unlink } from 'node:fs/promises'
import { fromErrno } from '../../runtime/errno.ts'
import { write } from './write.ts'

/** Write bytes to standard output, `-`, or to a file, replaced; nothing is left of one that does not come to its end. */
export async function writeOut(bytes: AsyncIterable<Uint8Array>, output: string, { signal }: { signal: AbortSignal }): Promise<void> {
  if (output === '-') {
    for await (const piece of bytes) await write(process.stdout, piece, { signal })
    return
  }
  const attempted = `write ${output}`
  await using file = await open(output, 'w').catch((error: unknown) => {
    throw fromErrno(error, attempted)
  })
  try {
    for await (const piece of bytes) await file.writeFile(piece)
  } catch (error) {
    if ((await file.stat()).isFile()) await unlink(output).catch(() => {})
    throw fromErrno(error, attempted)
  }
}
