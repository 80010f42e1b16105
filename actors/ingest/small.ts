import { createHash } from 'node:crypto'
import { closeSync, openSync, writeSync } from 'node:fs'
import { open, unlink } from 'node:fs/promises'
import { join } from 'node:path'
import { Failure } from '../../messages/grammar/index.ts'
import { type Digest, digestParts } from '../../messages/words/index.ts'
import type { Blobs } from '../../runtime/blobs.ts'
import { fromErrno } from '../../runtime/errno.ts'
import type { Spend } from '../../runtime/room.ts'

/** A small blob and what it must be. */
export interface Small {
  readonly digest: Digest
  readonly bytes: Uint8Array
}

/** Begins the names of temporary files: `<pid>-<started>-<count>.put`, so that a later process knows whose they are. */
export interface Putter {
  readonly pid: number
  readonly started: string
}

let count = 0

/** Verify a small blob in memory and write it to a file, to be placed; answers its path. Fails with data_loss; leaves nothing behind then. */
export async function writeSmall(
  components: { blobs: Blobs; me: Putter; spend: Spend },
  { digest, bytes }: Small,
  options: { signal: AbortSignal },
): Promise<string> {
  const { blobs, me, spend } = components
  const { algorithm, hex } = digestParts(digest)
  const found = createHash(algorithm).update(bytes).digest('hex')
  if (found !== hex) {
    const details = { digest: `${algorithm}:${found}`, expected: digest }
    throw new Failure('data_loss', `put a blob: ${bytes.length} bytes are ${details.digest}, not ${digest}`, { details })
  }
  options.signal.throwIfAborted()
  const temporary = join(blobs.ingests, `${me.pid}-${me.started}-${count++}.put`)
  try {
    spend(bytes.length)
    await writeNew(temporary, bytes)
    return temporary
  } catch (error) {
    await unlink(temporary).catch(() => {})
    throw fromErrno(error, `put blob ${digest}`)
  }
}

/** Who wrote a temporary file; undefined when the name is not of one. */
export function putterOf(name: string): Putter | undefined {
  const [, pid, started] = /^([0-9]+)-([0-9]+)-[0-9]+\.put$/.exec(name) ?? []
  return pid === undefined || started === undefined ? undefined : { pid: Number(pid), started }
}

/** The thread waits for what is quicker written than handed to another one. */
async function writeNew(path: string, bytes: Uint8Array): Promise<void> {
  if (bytes.length > atOnceBytes) {
    await using file = await open(path, 'wx', 0o400)
    return await file.writeFile(bytes)
  }
  const file = openSync(path, 'wx', 0o400)
  try {
    for (let done = 0; done < bytes.length; ) done += writeSync(file, bytes, done)
  } finally {
    closeSync(file)
  }
}

const atOnceBytes = 64 * 1024
