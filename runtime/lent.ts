import { closeSync, constants, fstatSync, openSync, writeSync } from 'node:fs'
import { sep } from 'node:path'
import { Failure } from '../messages/grammar/index.ts'
import { fromErrno } from './errno.ts'
import { leavingRoom } from './room.ts'

/** A file of ingest's, open for writing from an offset on. */
export interface LentFile extends Disposable {
  /** How far it is written. */
  readonly offset: number
  append(bytes: Uint8Array): void
}

/**
 * Open a lent file. Never makes one, never follows a link, never leaves `directory`. Fails with invalid_argument when `path` is not in there,
 * failed_precondition when the file is shorter than `offset`: what is said to stand before it does not. Appending leaves room on the disk.
 */
export function openLent({ directory, path, offset }: { directory: string; path: string; offset: number }): LentFile {
  if (!path.startsWith(directory + sep) || path.split(sep).includes('..'))
    throw new Failure('invalid_argument', `write ${path}: it is not a file of an ingest under ${directory}`)
  const file = attempt(path, () => openSync(path, constants.O_WRONLY | constants.O_NOFOLLOW))
  try {
    const { size } = attempt(path, () => fstatSync(file))
    if (size < offset) throw new Failure('failed_precondition', `write ${path} from ${offset}: it has ${size} bytes`)
  } catch (error) {
    closeSync(file)
    throw error
  }
  let written = offset
  const spend = leavingRoom(directory, file)
  return {
    get offset() {
      return written
    },
    append(bytes) {
      attempt(path, () => spend(bytes.byteLength))
      for (let at = 0; at < bytes.byteLength; ) {
        const more = attempt(path, () => writeSync(file, bytes, at, bytes.byteLength - at, written))
        at += more
        written += more
      }
    },
    [Symbol.dispose]: () => closeSync(file),
  }
}

function attempt<T>(path: string, work: () => T): T {
  try {
    return work()
  } catch (error) {
    throw fromErrno(error, `write ${path}`)
  }
}
