import { createHash } from 'node:crypto'
import { readSync } from 'node:fs'
import { Failure } from '../../messages/grammar/index.ts'
import { fromErrno } from '../../runtime/errno.ts'
import { atOnceBytes, type OpenFile } from './file.ts'
import type { Pair, Slices } from './slices.ts'

/** The hash of a growing file, computed behind its writer, so that little is left to do at the end. */
export interface Tail extends AsyncDisposable {
  readonly algorithm: string
  /** how far */
  readonly hashed: number
  /** These bytes are being written at `at`: hash them, unless it is not there yet. Whether it did; should they not come to be in the file, it is good for nothing. */
  feed(at: number, bytes: Uint8Array): boolean
  /** The file is written up to `offset`. What is short of a slice waits for more, or for the end. */
  reach(offset: number): void
  /**
   * The hex of the first `size` bytes. Fails with data_loss when the file is shorter or more was hashed already, and with what reading failed with.
   */
  finish(size: number, options: { signal: AbortSignal }): Promise<string>
}

/** What is so small is hashed by the thread without a break, from memory that is always the same. */
const smallBytes = 1024 * 1024
const scratch = Buffer.allocUnsafeSlow(atOnceBytes)

/** Slices hashed before others get a turn with the buffers. */
const turn = 16

/**
 * Follow `file` from its start. Reads come from the page cache, a slice at a time, off the thread; the next is read while one is hashed.
 * Disposing stops it; the file stays open.
 */
export function openTail(file: Pick<OpenFile, 'fd' | 'read'>, algorithm: string, components: { slices: Slices }): Tail {
  const { slices } = components
  const hash = createHash(algorithm)
  const stop = new AbortController()
  const { signal } = stop
  let hashed = 0
  let goal = 0
  let ending = false
  let running: Promise<void> | undefined

  const due = () => (ending ? goal > hashed : goal - hashed >= slices.bytes)

  /** Hash what is due, at most a turn of it. */
  async function some([first, second]: Pair): Promise<void> {
    let [buffer, other] = [first, second]
    let reading = read(buffer, hashed)
    for (let left = turn; left > 0; left--) {
      const bytes = await reading
      if (bytes === 0) throw new Failure('data_loss', `hash an ingest: the file ends at ${hashed}, ${goal} was said`)
      const here = hashed + bytes
      const more = left > 1 && !signal.aborted && (ending ? goal > here : goal - here >= slices.bytes)
      if (more) reading = read(other, here)
      hash.update(buffer.subarray(0, bytes))
      hashed = here
      if (!more) return
      ;[buffer, other] = [other, buffer]
    }
  }

  async function read(buffer: Uint8Array, at: number): Promise<number> {
    const { bytesRead } = await file.read(buffer, 0, Math.min(buffer.length, goal - at), at)
    return bytesRead
  }

  async function run(): Promise<void> {
    while (due() && !signal.aborted) await slices.lend(some, { signal })
  }

  /** The rest of a small file: the thread waits for what is quicker read than asked of another one. */
  function atOnce(size: number): void {
    for (let read = -1; read !== 0 && hashed < size; hashed += read) {
      read = readSync(file.fd, scratch, 0, Math.min(scratch.length, size - hashed), hashed)
      hash.update(scratch.subarray(0, read))
    }
  }

  /** One run at a time; what it failed with stays, for finish to tell. */
  function wake(): void {
    if (running !== undefined || !due() || signal.aborted) return
    running = run().then(() => {
      running = undefined
      wake()
    })
    running.catch(() => {})
  }

  return {
    algorithm,
    get hashed() {
      return hashed
    },
    feed(at, bytes) {
      if (at !== hashed || running !== undefined || ending || signal.aborted) return false
      hash.update(bytes)
      hashed += bytes.length
      return true
    },
    reach(offset) {
      goal = Math.max(goal, offset)
      wake()
    },
    async finish(size, options) {
      if (hashed > size) throw new Failure('data_loss', `hash an ingest: ${hashed} bytes were hashed, ${size} are there`)
      goal = size
      ending = true
      try {
        options.signal.throwIfAborted()
        if (!signal.aborted && running === undefined && size - hashed <= smallBytes) atOnce(size)
        wake()
        while (running !== undefined) await untilAborted(running, options.signal)
      } catch (error) {
        throw fromErrno(error, 'hash an ingest')
      }
      signal.throwIfAborted()
      return hash.copy().digest('hex')
    },
    async [Symbol.asyncDispose]() {
      stop.abort()
      await running?.catch(() => {})
    },
  }
}

/** Wait for `work`, or give up waiting; the work itself goes on. */
function untilAborted(work: Promise<void>, signal: AbortSignal): Promise<void> {
  signal.throwIfAborted()
  return new Promise((resolve, reject) => {
    const giveUp = () => reject(signal.reason)
    signal.addEventListener('abort', giveUp, { once: true })
    work.then(resolve, reject).finally(() => signal.removeEventListener('abort', giveUp))
  })
}
