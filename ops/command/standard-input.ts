import { createReadStream } from 'node:fs'
import { addAbortSignal } from 'node:stream'
import { Failure } from '../../messages/grammar/index.ts'
import { fromErrno } from '../../runtime/errno.ts'

/** The bytes of a file, or for `-` of standard input, which must not be a terminal then. `attempted` says what for. */
export async function* inputOf(file: string, attempted: string, { signal }: { signal: AbortSignal }): AsyncGenerator<Uint8Array> {
  if (file !== '-') {
    try {
      yield* createReadStream(file, { signal, highWaterMark: 1024 * 1024 }) as AsyncIterable<Uint8Array>
    } catch (error) {
      signal.throwIfAborted()
      throw fromErrno(error, `${attempted}: read ${file}`)
    }
    return
  }
  if (process.stdin.isTTY) throw new Failure('invalid_argument', `${attempted}: give a file, or a pipe`)
  try {
    yield* standardInput({ signal })
  } finally {
    process.stdin.destroy()
  }
}

/** What comes on standard input, until it ends or this is given up, and fails with why. */
export async function* standardInput({ signal }: { signal: AbortSignal }): AsyncGenerator<Uint8Array> {
  try {
    yield* addAbortSignal(signal, process.stdin) as AsyncIterable<Uint8Array>
  } catch (error) {
    signal.throwIfAborted()
    throw error
  }
}
