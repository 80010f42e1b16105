import { closeSync, openSync, readSync } from 'node:fs'
import { dirname } from 'node:path'
import { type Client, Failure, isFailure } from '../../messages/grammar/index.ts'
import type { ingest, Writer } from '../../messages/ingest.ts'
import { thisProcess } from '../../runtime/alive.ts'
import { fromErrno } from '../../runtime/errno.ts'
import { openLent } from '../../runtime/lent.ts'
import { type Pace, pace } from '../../runtime/pace.ts'
import { retry } from '../../runtime/retry.ts'
import type { Taker } from './taker.ts'

type Ingests = Pick<Client<typeof ingest>, 'advance' | 'truncate'>

/** Telling: after so many bytes, or so many ms with any. */
const telling = { step: 1024 * 1024, intervalMs: 50 }
/** A node that was restarted is back in seconds; one that is not by then will not be. */
const patience = { tries: 15, mostMs: 2000 }

interface Lent {
  readonly path: string
  readonly offset: number
}

export interface LentTakerOptions {
  readonly signal: AbortSignal
  /** open it once more, if it can be told at the end whether somebody else wrote meanwhile */
  readonly again?: (() => Promise<Lent>) | undefined
}

/** Who is to write a lent file, as ingest.open wants to know. */
export const lentWriter = (): Promise<Writer> => thisProcess()

/** Writes the file an ingest of this machine lent, and says how far it is. While the node is away nothing is written; when it was restarted, it is gone on with. */
export function lentTaker(store: Ingests, { token, path, offset }: Lent & { token: string }, { signal, again }: LentTakerOptions): Taker {
  const directory = dirname(dirname(path))
  let file = openLent({ directory, path, offset })
  let untold: unknown
  let away: PromiseWithResolvers<void> | undefined
  let told = begin()

  function begin(): Pace {
    return pace({ tell, failed: (error) => void (untold = error) }, telling)
  }

  async function tell(reached: number): Promise<void> {
    const missed = () => void (away ??= Promise.withResolvers())
    try {
      await retry(() => advance(reached), { signal, onRetry: missed, ...patience })
    } finally {
      away?.resolve()
      away = undefined
    }
  }

  async function advance(reached: number): Promise<void> {
    try {
      await store.advance({ token, offset: reached })
    } catch (error) {
      if (!again || !isFailure(error, 'not_found')) throw error
      const found = await again()
      if (found.path !== path || found.offset > file.offset)
        throw new Failure('failed_precondition', `go on with ${path} at ${file.offset}: ${found.offset} bytes are there now`, {
          cause: error,
        })
      await store.advance({ token, offset: Math.max(found.offset, reached) })
    }
  }

  async function settle(): Promise<void> {
    await told.settle()
    if (untold !== undefined) throw untold
    // The node may have been restarted since it was told last.
    await tell(file.offset)
  }

  return {
    get offset() {
      return file.offset
    },
    alike: (at, bytes) => sameBytes(path, at, bytes),
    async append(bytes) {
      await away?.promise
      if (untold !== undefined) throw untold
      file.append(bytes)
      told.reached(file.offset)
    },
    async cut(to) {
      await settle()
      await store.truncate({ token, offset: to })
      file[Symbol.dispose]()
      file = openLent({ directory, path, offset: to })
      told = begin()
    },
    settle,
    async [Symbol.asyncDispose]() {
      // what was not told is in the file, and is found there
      await told.settle()
      file[Symbol.dispose]()
    },
  }
}

/** How many bytes of a file, from `at` on, are these. */
function sameBytes(path: string, at: number, bytes: Uint8Array): number {
  const there = Buffer.alloc(bytes.length)
  try {
    const file = openSync(path, 'r')
    try {
      const read = there.subarray(0, readSync(file, there, 0, there.length, at))
      if (read.length === bytes.length && read.equals(bytes)) return bytes.length
      const different = read.findIndex((byte, index) => byte !== bytes[index])
      return different < 0 ? read.length : different
    } finally {
      closeSync(file)
    }
  } catch (error) {
    throw fromErrno(error, `read ${path} again`)
  }
}
