import type { Compression } from '../../../messages/unpack.ts'
import { fromErrno } from '../../../runtime/errno.ts'
import { defaultLimits } from '../limits.ts'
import { Tree } from '../tree.ts'
import { Archive } from './archive.ts'
import type { Change } from './change.ts'
import { changesOfOverlay } from './overlay.ts'
import { type Packed, pack } from './pack.ts'
import { pausing } from './pause.ts'
import { changesOfTrees } from './trees.ts'

/** Two directories, and what becomes of their difference. */
export interface Comparing {
  /** a whole tree, or the directory overlayfs keeps changes in */
  readonly upper: string
  readonly finder: 'trees' | 'overlay'
  /** whose attributes overlayfs here uses; as it does for this process if left out */
  readonly marks?: { readonly userxattr: boolean }
  /** the whole tree it is compared with; nothing if left out */
  readonly lower?: string | undefined
  readonly compression: Compression
  /** seconds since 1970, see {@link Archive} */
  readonly epoch?: number | undefined
  readonly append: (bytes: Uint8Array) => void
}

export interface CompareOptions {
  readonly signal: AbortSignal
  /** Called often. */
  readonly onProgress?: (progress: CompareProgress) => void
  readonly warn?: (what: string) => void
}

/** Bytes of the packed layer, bytes of the layer, entries. */
export interface CompareProgress {
  readonly offset: number
  readonly written: number
  readonly entries: number
}

/** What the difference came to. */
export interface Comparison extends Packed {
  readonly entries: number
}

/** Make a layer of what one directory has that another has not, and has not any more. Follows no link, leaves neither directory, and changes nothing in them. */
export async function compare(comparing: Comparing, options: CompareOptions): Promise<Comparison> {
  const { compression, epoch } = comparing
  const { signal, onProgress = () => {}, warn = () => {} } = options
  signal.throwIfAborted()
  using upper = opened(comparing.upper)
  using lower = comparing.lower === undefined ? undefined : opened(comparing.lower)
  const archive = new Archive(upper, { epoch, warn })
  const pause = pausing(signal)
  let [offset, written] = [0, 0]
  async function* chunks(): AsyncGenerator<Buffer> {
    const changes: AsyncIterable<Change> =
      comparing.finder === 'overlay' ? changesOfOverlay({ upper, lower }, pause, comparing.marks) : changesOfTrees({ upper, lower }, pause)
    for await (const change of changes) yield* seen(archive.tell(change))
    yield* seen(archive.end())
  }
  async function* seen(pieces: Iterable<Buffer>): AsyncGenerator<Buffer> {
    for (const piece of pieces) {
      signal.throwIfAborted()
      yield piece
      written += piece.length
      onProgress({ offset, written, entries: archive.entries })
    }
  }
  const append = (bytes: Uint8Array): void => {
    comparing.append(bytes)
    offset += bytes.length
  }
  const packed = await pack(chunks(), { compression, append }, { signal })
  return { ...packed, entries: archive.entries }
}

function opened(path: string): Tree {
  try {
    return new Tree(path, defaultLimits)
  } catch (error) {
    throw fromErrno(error, `open ${path} to compare it`)
  }
}
