import { watch } from 'node:fs'
import { open } from 'node:fs/promises'
import { fromErrno } from '../../runtime/errno.ts'
import { LogReader, type Piece } from './log.ts'

const readBytes = 128 * 1024

/**
 * Everything in a log from its first byte, then what comes, until `over` is settled and all is told. The kernel says when there is more; nothing is polled.
 * `over` must settle only after the last byte was written.
 */
export async function* followLog(path: string, options: { over: Promise<unknown>; signal: AbortSignal }): AsyncIterable<Piece> {
  const { signal } = options
  const stirs = new Stirs()
  let ended = false
  const end = () => {
    ended = true
    stirs.stir()
  }
  options.over.then(end, end)
  await using file = await open(path, 'r').catch((error: unknown) => {
    throw fromErrno(error, `read the output ${path}`)
  })
  // Watched before the first read: what is written in between is seen by one or the other.
  const watcher = watch(path, () => stirs.stir())
  watcher.on('error', () => stirs.stir())
  signal.addEventListener('abort', stirs.stir, { once: true })
  try {
    const reader = new LogReader()
    for (let offset = 0; ; ) {
      signal.throwIfAborted()
      const last = ended
      stirs.clear()
      const { bytesRead, buffer } = await file.read(Buffer.allocUnsafe(readBytes), 0, readBytes, offset)
      offset += bytesRead
      yield* reader.push(buffer.subarray(0, bytesRead))
      if (bytesRead > 0) continue
      if (last) return
      await stirs.next()
    }
  } finally {
    signal.removeEventListener('abort', stirs.stir)
    watcher.close()
  }
}

/** Remembers that something stirred since it was last cleared. */
class Stirs {
  #stirred = Promise.withResolvers<void>()
  readonly stir = (): void => this.#stirred.resolve()
  clear(): void {
    this.#stirred = Promise.withResolvers()
  }
  next(): Promise<void> {
    return this.#stirred.promise
  }
}
