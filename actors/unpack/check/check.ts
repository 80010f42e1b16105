import { createHash } from 'node:crypto'
import { Failure, isFailure } from '../../../messages/grammar/index.ts'
import { type Digest, digestParts } from '../../../messages/words/index.ts'
import { errnoOf, fromErrno } from '../../../runtime/errno.ts'
import type { Whiteouts } from '../ground.ts'
import { inflate } from '../inflate.ts'
import { defaultLimits, type Limits } from '../limits.ts'
import { type Reading, reading } from '../reading.ts'
import { tarReader } from '../tar/reader.ts'
import { reportDifferences } from './differences.ts'
import { type Expectation, Expecting } from './expected.ts'

/** A layer, and the directory it was applied to. */
export interface Checking extends Reading {
  readonly digest: Digest
  readonly path: string
  readonly whiteouts: Whiteouts
  /** directories it was applied without describing; none at all when its parent was there to have them */
  readonly implied?: readonly string[] | undefined
}

export interface CheckOptions {
  readonly signal: AbortSignal
  readonly limits?: Limits
  /** Called often: compressed bytes read, bytes of files compared, entries. */
  readonly onProgress?: (progress: { offset: number; written: number; entries: number }) => void
}

/** What a comparison came to. */
export interface Verdict {
  readonly entries: number
  readonly differing: number
  /** the first of them */
  readonly damaged: { path: string; why: string }[]
}

/** Most differences told. */
const told = 100

/**
 * Compare a directory with its layer. The layer is read once, then the directory. Fails with data_loss and details `{reason: 'blob'}` when the layer itself is damaged: nothing can be
 * said of the directory then.
 */
export async function check(checking: Checking, options: CheckOptions): Promise<Verdict> {
  const { signal, limits = defaultLimits, onProgress = () => {} } = options
  signal.throwIfAborted()
  const { expectation, entries } = await read(checking, { signal, limits, onProgress })
  const { path, implied, size } = checking
  const onParent = expectation.foreign || (implied?.length === 0 && expectation.implied > 0)
  const damaged: { path: string; why: string }[] = []
  let [differing, written] = [0, 0]
  const report = (at: string, why: string): void => {
    if (++differing <= told) damaged.push({ path: Buffer.from(at, 'latin1').toString(), why })
  }
  const onBytes = (bytes: number): void => onProgress({ offset: size, written: (written += bytes), entries })
  try {
    await reportDifferences({ path, expectation, onParent, limits }, report, { signal, onBytes })
  } catch (error) {
    signal.throwIfAborted()
    if (errnoOf(error) !== 'ENOENT' && errnoOf(error) !== 'ENOTDIR') throw fromErrno(error, `compare ${path} with layer ${checking.digest}`)
    report('.', 'it is missing')
  }
  return { entries, differing, damaged: damaged.toSorted((one, other) => (one.path < other.path ? -1 : 1)) }
}

/** What the layer should have come to. Its bytes are checked on the way. */
async function read(
  checking: Checking,
  { signal, limits, onProgress }: Required<CheckOptions>,
): Promise<{ expectation: Expectation; entries: number }> {
  const { algorithm, hex } = digestParts(checking.digest)
  const hash = createHash(algorithm)
  const expecting = new Expecting({ whiteouts: checking.whiteouts, limits })
  const reader = tarReader(expecting, limits)
  await using source = reading(checking, signal)
  async function* hashed(): AsyncGenerator<Buffer> {
    for await (const piece of source.pieces) {
      hash.update(piece)
      yield piece
    }
  }
  try {
    for await (const chunk of inflate(hashed(), { limits, taken: source.taken })) {
      signal.throwIfAborted()
      reader.push(chunk)
      onProgress({ offset: source.taken(), written: 0, entries: expecting.entries })
    }
    reader.finish()
  } catch (error) {
    throw isFailure(error, 'data_loss') ? ofBlob(error.message, error) : error
  }
  const found = hash.digest('hex')
  if (found !== hex) throw ofBlob(`compare with layer ${checking.digest}: its bytes are ${algorithm}:${found}`)
  return { expectation: expecting.finish(), entries: expecting.entries }
}

const ofBlob = (message: string, cause?: unknown): Failure => new Failure('data_loss', message, { details: { reason: 'blob' }, cause })
