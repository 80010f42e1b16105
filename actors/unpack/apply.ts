import { createHash } from 'node:crypto'
import { Failure } from '../../messages/grammar/index.ts'
import type { Digest } from '../../messages/words/index.ts'
import type { Decoder } from '../../runtime/decompress/index.ts'
import { fromErrno } from '../../runtime/errno.ts'
import { leavingRoom } from '../../runtime/room.ts'
import { finishDirectories } from './attributes.ts'
import { type Ground, openGround, type Whiteouts } from './ground.ts'
import { impliedPaths } from './implied.ts'
import { inflate } from './inflate.ts'
import { Layer } from './layer.ts'
import { defaultLimits, type Limits } from './limits.ts'
import { reading } from './reading.ts'
import type { Growth } from './source.ts'
import { tarReader } from './tar/reader.ts'

/** A layer, and where it goes. */
export interface Applying {
  /** how far its blob is on disk */
  readonly growth: AsyncIterable<Growth>
  /** of the whole blob */
  readonly size: number
  /** the directory it is applied to; nobody else may change it meanwhile */
  readonly path: string
  readonly whiteouts: Whiteouts
  /** It is the first of an image: nothing is below it. */
  readonly base?: boolean | undefined
  /** the diffId it must come to */
  readonly expected?: Digest | undefined
}

export interface ApplyOptions {
  readonly signal: AbortSignal
  readonly limits?: Limits
  /** Called after every chunk, often. */
  readonly onProgress?: (progress: Progress) => void
  /** Called for what could not be kept, a few times at most. */
  readonly warn?: (what: string) => void
  /** decodes gzip, in place of the quickest there is */
  readonly gzip?: (() => Decoder) | undefined
}

/** Compressed bytes read, bytes of files written, entries. */
export interface Progress {
  readonly offset: number
  readonly written: number
  readonly entries: number
}

/** What a layer came to. */
export interface Outcome extends Progress {
  readonly diffId: Digest
  /** of the uncompressed stream */
  readonly size: number
  /** directories no entry described but some needed */
  readonly implied: string[]
  /** what this user or file system cannot have, each naming its entry; the first twenty */
  readonly notKept: string[]
}

/**
 * Apply a layer to a directory while its blob still arrives. Inflating runs ahead on the pool; everything else happens here, chunk by
 * chunk, without waiting. On failure the directory is half written and every descriptor closed.
 */
export async function apply(applying: Applying, options: ApplyOptions): Promise<Outcome> {
  const { signal, limits = defaultLimits, warn = () => {}, onProgress = () => {} } = options
  signal.throwIfAborted()
  using ground = opened(applying, { limits, warn })
  using layer = new Layer(ground, leavingRoom(applying.path))
  const reader = tarReader(layer, limits)
  const hash = createHash('sha256')
  let size = 0
  await using source = reading(applying, signal)
  for await (const chunk of inflate(source.pieces, { limits, taken: source.taken, gzip: options.gzip })) {
    signal.throwIfAborted()
    hash.update(chunk)
    size += chunk.length
    reader.push(chunk)
    onProgress({ offset: source.taken(), written: layer.written, entries: layer.entries })
  }
  reader.finish()
  const diffId = `sha256:${hash.digest('hex')}`
  if (applying.expected !== undefined && applying.expected !== diffId)
    throw new Failure('data_loss', `apply layer: it unpacks to ${diffId}, ${applying.expected} was said`)
  finished(ground, applying.path)
  const { written, entries } = layer
  return { offset: source.taken(), written, entries, diffId, size, implied: impliedPaths(ground), notKept: [...ground.notKept] }
}

function opened({ path, whiteouts, base = false }: Applying, { limits, warn }: { limits: Limits; warn: (what: string) => void }): Ground {
  try {
    return openGround(path, { whiteouts, base, limits, warn })
  } catch (error) {
    throw fromErrno(error, `apply layer to ${path}`)
  }
}

function finished(ground: Ground, path: string): void {
  try {
    finishDirectories(ground)
  } catch (error) {
    throw fromErrno(error, `set the times of directories in ${path}`)
  }
}
