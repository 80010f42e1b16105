import type { Moment } from '../../../runtime/syscalls/index.ts'

/** What an entry is. */
export type Kind = 'file' | 'link' | 'symlink' | 'character' | 'block' | 'directory' | 'fifo'

/** One entry of an archive. Names are bytes: latin1 strings, one character a byte. */
export interface Entry {
  readonly kind: Kind
  /** as written, not yet judged */
  readonly name: string
  /** where a link points, as written */
  readonly target: string
  readonly size: number
  /** the twelve permission bits */
  readonly mode: number
  readonly uid: number
  readonly gid: number
  readonly modified: Moment
  /** when it says */
  readonly accessed: Moment | undefined
  readonly major: number
  readonly minor: number
  /** extended attributes, undefined when there are none */
  readonly xattrs: ReadonlyMap<string, Uint8Array> | undefined
}

export const kinds: Readonly<Record<string, Kind>> = {
  '\0': 'file',
  '0': 'file',
  '1': 'link',
  '2': 'symlink',
  '3': 'character',
  '4': 'block',
  '5': 'directory',
  '6': 'fifo',
  '7': 'file',
  S: 'file',
}
