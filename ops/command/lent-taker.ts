import { closeSync, openSync, readSync } from 'node:fs'
import { dirname } from 'node:path'
import type { Client } from '../../messages/grammar/index.ts'
import type { ingest } from '../../messages/ingest.ts'
import { fromErrno } from '../../runtime/errno.ts'
import { openLent } from '../../runtime/lent.ts'
import { type Pace, pace } from '../../runtime/pace.ts'
import { retry } from '../../runtime/retry.ts'
import type { Taker } from './taker.ts'

type Ingests = Pick<Client<typeof ingest>, 'advance' | 'truncate'>

/** Telling: after so many bytes, or so many ms with any. */
const telling = { step: 1024 * 1024, intervalMs: 50 }

/** Writes the file an ingest of this machine lent, and says how far it is. */
export function lentTaker(
  store: Ingests,
  { token, path, offset }: { token: string; path: string; offset: number },
  { signal }: { signal: AbortSignal },
): Taker {
  const directory = dirname(dirname(path))
  let file = openLent({ directory, path, offset })
  let untold: unknown
  let told = begin()

  function begin(): Pace {
    const tell = async (reached: number) => void (await retry(async () => await store.advance({ token, offset: reached }), { signal }))
    return pace({ tell, failed: (error) => void (untold = error) }, telling)
  }

  async function settle(): Promise<void> {
    await told.settle()
    if (untold !== undefined) throw untold
  }

  return {
    get offset() {
      return file.offset
    },
    alike: (at, bytes) => sameBytes(path, at, bytes),
    async append(bytes) {
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
