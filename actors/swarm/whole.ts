import type { FileHandle } from 'node:fs/promises'
import { Failure } from '../../messages/grammar/index.ts'

/** Write all of it at a place. */
export async function writeAll(file: FileHandle, bytes: Uint8Array, at: number): Promise<void> {
  for (let done = 0; done < bytes.length; ) done += (await file.write(bytes, done, bytes.length - done, at + done)).bytesWritten
}

/** Read so many bytes from a place on, into memory that is lent if there is any. Fails with data_loss when the file ends before. */
export async function readAll(
  file: FileHandle,
  at: number,
  length: number,
  into?: Uint8Array<ArrayBuffer>,
): Promise<Uint8Array<ArrayBuffer>> {
  const bytes = into?.subarray(0, length) ?? Buffer.allocUnsafe(length)
  for (let done = 0; done < length; ) {
    const { bytesRead } = await file.read(bytes, done, length - done, at + done)
    if (bytesRead === 0) throw new Failure('data_loss', `read ${length} bytes at ${at}: the file ends at ${at + done}`)
    done += bytesRead
  }
  return bytes
}

/** Some of a piece. */
export interface Part {
  /** bytes into it; its beginning if left out */
  readonly from?: number
  /** bytes; the rest of it if left out */
  readonly length?: number
  /** memory to read it into, lent; memory of its own if left out */
  readonly into?: Uint8Array<ArrayBuffer> | undefined
}

/** Read some, or all, of a piece from where it lies in a file. */
export const readPart = (file: FileHandle, { start, end }: { start: number; end: number }, part: Part = {}): Promise<Uint8Array> => {
  const { from = 0, length = end - start, into } = part
  return readAll(file, start + from, Math.min(length, end - start - from), into)
}
