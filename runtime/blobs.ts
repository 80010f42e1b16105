import { createHash, randomUUID } from 'node:crypto'
import { chmodSync, existsSync, renameSync } from 'node:fs'
import { chmod, mkdir, readdir, unlink } from 'node:fs/promises'
import { join } from 'node:path'
import { Failure } from '../messages/grammar/index.ts'
import { errnoOf, fromErrno } from './errno.ts'
import type { Tables } from './tables.ts'

/**
 * Where files of content are on disk, below a node's root:
 *
 *     content/blobs/<algorithm>/<hex>           a blob, 0444, complete and verified, never changed again
 *     content/ingest/<sha256 of reference>/data an ingest, as far as it came
 *     content/ingest/<any>.put                  a small blob for the moment between write and rename
 *     content/ingest/<any>.gone                 a file taken out of its place, for the moment before it is unlinked
 *
 * What is content is said by its record, not by the file: a file without a record is left over from a crash and counts for nothing. Files come into their
 * places and out of them inside transactions only, those of their records: the one lock of the tables, which all processes share, is so the lock of the files too.
 */
export interface Blobs {
  /** `content`, absolute */
  readonly directory: string
  /** `content/ingest`, absolute */
  readonly ingests: string
  /** File of a blob. Fails with invalid_argument unless `digest` is one: no path is ever made of anything else. */
  blob(digest: string): string
  /** Directory, and file, of an ingest. Any text is a reference. */
  ingest(reference: string): { readonly id: string; readonly directory: string; readonly data: string }
  /** Digests in whose places a file lies, with a record or without. */
  lying(): AsyncIterable<string>
  /**
   * Inside the transaction that makes its record, as the last thing done there: make a verified file the blob, read-only. What lay in its place had no record
   * and is replaced.
   */
  place(from: string, digest: string): void
  /**
   * Inside a transaction that has made sure that there is no record: take whatever lies in a blob's place out of it. Answers where it is now, to be unlinked;
   * undefined when nothing was there.
   */
  displace(digest: string): string | undefined
  /** Inside a transaction that has made sure that there is no record: undo a `place` whose transaction was not committed, unless something is at `to`. */
  takeBack(digest: string, to: string): void
}

/** Lay out `root` (made 0700) for content. */
export async function openBlobs(root: string): Promise<Blobs> {
  const directory = join(root, 'content')
  const ingests = join(directory, 'ingest')
  try {
    for (const path of [root, directory]) {
      await mkdir(path, { recursive: true, mode: 0o700 })
      await chmod(path, 0o700)
    }
    for (const path of [ingests, ...algorithms.map((algorithm) => join(directory, 'blobs', algorithm))]) {
      await mkdir(path, { recursive: true, mode: 0o700 })
    }
  } catch (error) {
    throw fromErrno(error, `make the content directory ${directory}`)
  }
  const blob = (digest: string) => {
    if (!digestForm.test(digest)) throw new Failure('invalid_argument', `find the file of ${JSON.stringify(digest)}: not a digest`)
    return join(directory, 'blobs', ...digest.split(':'))
  }
  return {
    directory,
    ingests,
    blob,
    ingest(reference) {
      const id = createHash('sha256').update(reference).digest('hex')
      return { id, directory: join(ingests, id), data: join(ingests, id, 'data') }
    },
    async *lying() {
      for (const algorithm of algorithms) {
        for (const name of await readdir(join(directory, 'blobs', algorithm))) {
          if (digestForm.test(`${algorithm}:${name}`)) yield `${algorithm}:${name}`
        }
      }
    },
    place(from, digest) {
      try {
        chmodSync(from, 0o444)
        renameSync(from, blob(digest))
      } catch (error) {
        throw fromErrno(error, `place blob ${digest}`)
      }
    },
    displace(digest) {
      const gone = join(ingests, `${randomUUID()}.gone`)
      try {
        renameSync(blob(digest), gone)
        return gone
      } catch (error) {
        if (errnoOf(error) === 'ENOENT') return undefined
        throw fromErrno(error, `take away the file of blob ${digest}`)
      }
    },
    takeBack(digest, to) {
      if (existsSync(to)) return
      try {
        renameSync(blob(digest), to)
        chmodSync(to, 0o600)
      } catch (error) {
        if (errnoOf(error) !== 'ENOENT') throw fromErrno(error, `take back the file of blob ${digest}`)
      }
    },
  }
}

/** Take away the file of a blob that has no record. One that has, again or still, stays, and so does one that is `spared`, which is asked inside the transaction. */
export async function clearPlace(
  { tables, blobs }: { tables: Tables; blobs: Blobs },
  digest: string,
  { spared = () => false }: { spared?: () => boolean } = {},
): Promise<void> {
  const contents = tables.table<object>('content')
  const left = await tables.transaction(() => (contents.get(digest) || spared() ? undefined : blobs.displace(digest)))
  if (left === undefined) return
  // Out of its place it is nobody's: the next start takes away what cannot be now.
  await unlink(left).catch((error: unknown) => {
    if (errnoOf(error) !== 'ENOENT') throw fromErrno(error, `unlink what was blob ${digest}`)
  })
}

const algorithms = ['sha256', 'sha384', 'sha512'] as const
/** Written out once more beside `messages`, because this is the last gate before a path. */
const digestForm = /^(?:sha256:[0-9a-f]{64}|sha384:[0-9a-f]{96}|sha512:[0-9a-f]{128})$/
