import { createHash } from 'node:crypto'
import { chmod, mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import { Failure } from '../messages/grammar/index.ts'
import { fromErrno } from './errno.ts'
import { turns } from './records/turns.ts'

/**
 * Where files of content are on disk, below a node's root:
 *
 *     content/blobs/<algorithm>/<hex>           a blob, 0444, complete and verified, never changed again
 *     content/ingest/<sha256 of reference>/data an ingest, as far as it came
 *     content/ingest/<any>.put                  a small blob for the moment between write and rename
 *
 * What is content is said by its record, not by the file: a file without a record is left over from a crash and counts for nothing.
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
  /**
   * Run `work` while no other work for this digest runs in this thread: what puts a file in its place or takes it away, together with its record.
   * Work queues in the order asked; who gives up waiting is not run.
   */
  alone<R>(digest: string, work: () => Promise<R>, options?: { signal?: AbortSignal }): Promise<R>
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
  return {
    directory,
    ingests,
    blob(digest) {
      if (!digestForm.test(digest)) throw new Failure('invalid_argument', `find the file of ${JSON.stringify(digest)}: not a digest`)
      return join(directory, 'blobs', ...digest.split(':'))
    },
    ingest(reference) {
      const id = createHash('sha256').update(reference).digest('hex')
      return { id, directory: join(ingests, id), data: join(ingests, id, 'data') }
    },
    alone: (digest, work, { signal } = {}) => busy.take(`${directory}/${digest}`, signal, work),
  }
}

const algorithms = ['sha256', 'sha384', 'sha512'] as const
/** Written out once more beside `messages`, because this is the last gate before a path. */
const digestForm = /^(?:sha256:[0-9a-f]{64}|sha384:[0-9a-f]{96}|sha512:[0-9a-f]{128})$/

/** Shared by every {@link Blobs} of the thread, so that actors which do not know each other queue behind each other. */
const busy = turns()
