import { readFileSync } from 'node:fs'
import { fsetxattr, nameRoom, S, tryUnlinkat } from '../../runtime/syscalls/index.ts'
import type { Directory } from './directory.ts'
import type { Limits } from './limits.ts'
import { Tree } from './tree.ts'

/** How deletions are done: as marks that overlayfs reads, or really. */
export type Whiteouts = 'overlay' | 'remove'

/** What a layer is applied to, and what is known of it: shared by everything that makes entries. */
export interface Ground extends Disposable {
  readonly tree: Tree
  readonly whiteouts: Whiteouts
  /** no other layer is below, not even one that cannot be seen from here */
  readonly base: boolean
  readonly limits: Limits
  /** nothing was there before: whatever is there now this layer brought, and no access lists are inherited */
  readonly fresh: boolean
  /** may give files away and make devices */
  readonly privileged: boolean
  /** who owns what is made, unless its directory says otherwise */
  readonly owner: { readonly uid: number; readonly gid: number }
  /** bits that are missing from the mode of what is made */
  readonly umask: number
  /** a directory hands an access list down: modes of what is made are not what was asked for */
  inherits: boolean
  /** marks of removal were made */
  marked: boolean
  /** directories made because a path needed them */
  readonly implied: Set<Directory>
  /** two rooms for names, so that a call can have two */
  readonly name: (latin1: string) => ReturnType<ReturnType<typeof nameRoom>['write']>
  readonly other: (latin1: string) => ReturnType<ReturnType<typeof nameRoom>['write']>
  /** what of the layer could not be kept, each naming its entry; the first twenty */
  readonly notKept: ReadonlySet<string>
  /** Say once that something of the layer could not be kept. */
  warn(what: string): void
}

export interface GroundInit {
  readonly whiteouts: Whiteouts
  readonly base: boolean
  readonly limits: Limits
  readonly warn: (what: string) => void
}

/** Open a directory to apply a layer to. Disposing it closes every descriptor. */
export function openGround(path: string, { whiteouts, base, limits, warn }: GroundInit): Ground {
  const notKept = new Set<string>()
  const uid = process.geteuid?.() ?? 0
  const implied = new Set<Directory>()
  const tree = new Tree(path, limits, {
    replaced: (parent, name, status) => {
      const mark = whiteouts === 'overlay' && (status.mode & S.FMT) === S.CHR && status.major === 0 && status.minor === 0
      return mark && tryUnlinkat(tree.fd(parent), ground.name(name)) === 0
    },
    implied: (directory, fresh) => {
      if (!fresh) implied.add(directory)
      else markOpaque(ground, directory)
    },
  })
  const ground: Ground = {
    tree,
    whiteouts,
    base,
    limits,
    fresh: tree.isEmpty(),
    privileged: uid === 0,
    owner: { uid, gid: process.getegid?.() ?? 0 },
    umask: currentUmask(),
    inherits: false,
    marked: false,
    implied,
    name: nameRoom().write,
    other: nameRoom().write,
    notKept,
    warn: (what) => {
      if (notKept.size >= told || notKept.has(what)) return
      notKept.add(what)
      warn(what)
    },
    [Symbol.dispose]: () => tree[Symbol.dispose](),
  }
  // until the layer describes it
  if (ground.fresh) implied.add(tree.root)
  return ground
}

/** as many things that could not be kept as are told */
const told = 20

/** Mark a directory as hiding what lies below it in other layers. */
export function markOpaque(ground: Ground, directory: Directory): void {
  fsetxattr(ground.tree.fd(directory), 'trusted.overlay.opaque', opaque)
}

const opaque = Buffer.from('y')

/** Asking with umask(2) would set it for all threads for a moment. */
function currentUmask(): number {
  const line = /^Umask:\s*([0-7]+)/m.exec(readFileSync('/proc/thread-self/status', 'latin1'))
  // unknown: every mode is then set explicitly
  return line === null ? 0o777 : Number.parseInt(line[1] ?? '777', 8)
}
