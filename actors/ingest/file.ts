import { closeSync, ftruncate, openSync, read, write, writeSync } from 'node:fs'
import { promisify } from 'node:util'

/** An open file. It is opened and closed at once, and a few bytes are written so: that is sooner done than handed to another thread, where it waits behind what waits for the disk. */
export interface OpenFile {
  readonly fd: number
  read(buffer: Uint8Array, offset: number, length: number, position: number): Promise<{ readonly bytesRead: number }>
  write(buffer: Uint8Array, offset: number, length: number, position: number): Promise<{ readonly bytesWritten: number }>
  truncate(size: number): Promise<void>
  /** Once nothing is being read or written any more. */
  close(): void
}

/** Bytes the thread itself reads or writes: they are in memory, or will be. */
export const atOnceBytes = 64 * 1024

export function openFile(path: string, flags: number | string, mode?: number): OpenFile {
  const fd = openSync(path, flags, mode)
  return {
    fd,
    read: (...where) => readFrom(fd, ...where),
    async write(buffer, offset, length, position) {
      if (length <= atOnceBytes) return { bytesWritten: writeSync(fd, buffer, offset, length, position) }
      return await writeTo(fd, buffer, offset, length, position)
    },
    truncate: (size) => truncate(fd, size),
    close: () => closeSync(fd),
  }
}

const readFrom = promisify(read)
const writeTo = promisify(write)
const truncate = promisify(ftruncate)
