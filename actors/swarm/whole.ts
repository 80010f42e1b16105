import type { FileHandle } from 'node:fs/promises'
import { Failure } from '../../messages/grammar/index.ts'

/** Write all of it at a place. */
export async function writeAll(file: FileHandle, bytes: Uint8Array, at: number): Promise<void> {
  for (let done = 0; done < bytes.length; ) done += (await file.write(bytes, done, bytes.length - done, at + done)).bytesWritten
}

/** Read so many bytes from a place on. Fails with data_loss when the file ends before. */
export async function readAll(file: FileHandle, at: number, length: number): Promise<Uint8Array<ArrayBuffer>> {
  const bytes = Buffer.allocUnsafe(length)
  for (let done = 0; done < length; ) {
    const { bytesRead } = await file.read(bytes, done, length - done, at + done)
    if (bytesRead === 0) throw new Failure('data_loss', `read ${length} bytes at ${at}: the file ends at ${at + done}`)
    done += bytesRead
  }
  return bytes
}
