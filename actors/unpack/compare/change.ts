import type { Status } from '../../../runtime/syscalls/index.ts'
import type { Directory } from '../directory.ts'
import type { Tree } from '../tree.ts'

/** A name in a directory of the upper tree; latin1, one character a byte. */
interface Named {
  readonly parent: Directory
  readonly name: string
}

/**
 * One difference of an upper tree from a lower one, told while the directories it lies in are as they were found.
 *
 * `brought`: it is new, or not what it was; of a directory only itself is meant. `removed`: there is nothing any more, and of what was below nothing is told. `hides`: a
 * directory that was said to be brought has nothing of what the lower one held. `same`: no difference, but one of several names of a file, in either tree, which
 * matters if other names of it were brought. `root`: owner, mode or attributes of the root are others.
 */
export type Change =
  | (Named & { readonly kind: 'brought'; readonly status: Status })
  | (Named & { readonly kind: 'removed' })
  | (Named & { readonly kind: 'same'; readonly status: Status; readonly lower: Status })
  | { readonly kind: 'hides'; readonly directory: Directory }
  | { readonly kind: 'root'; readonly status: Status }

/** What is compared. Without a lower tree everything in the upper is new. */
export interface Trees {
  readonly upper: Tree
  readonly lower: Tree | undefined
}

/**
 * A way to find what was changed: always in the same order, a directory before what is in it, names by their bytes. Follows no link, and leaves no directory it was given.
 * What disappears while it is looked at was not there.
 */
export type Finder = (trees: Trees, pause: Pause) => AsyncIterable<Change>

/** Count bytes of work; after some the thread is left to others, and the signal looked at. */
export type Pause = (bytes: number) => Promise<void> | undefined
