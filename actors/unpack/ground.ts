import { chmodSync, statSync } from 'node:fs'
import { opaqueName } from '../../runtime/overlay-marks.ts'
import { fchmod, fchmodat, fsetxattr, nameRoom, S, tryUnlinkat } from '../../runtime/syscalls/index.ts'
import type { Directory } from './directory.ts'
import { quoted } from './invalid.ts'
import type { Limits } from './limits.ts'
import { currentPowers, type Powers } from './powers.ts'
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
  readonly powers: Powers
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
  /** Say that something of an entry could not be kept; once for all entries that lose what is called the same, if it is. */
  lose(name: string, what: string, once?: string): void
}

export interface GroundInit {
  readonly whiteouts: Whiteouts
  readonly base: boolean
  readonly limits: Limits
  readonly warn: (what: string) => void
}

/** Open a directory to apply a layer to. Disposing it closes every descriptor. */
export function openGround(path: string, { whiteouts, base, limits, warn }: GroundInit): Ground {
  const powers = currentPowers()
  const lost = losses(warn)
  const implied = new Set<Directory>()
  const mode = powers.enters ? undefined : unlocked(path)
  const tree = new Tree(path, limits, {
    replaced: (parent, name, status) => {
      const mark = whiteouts === 'overlay' && (status.mode & S.FMT) === S.CHR && status.major === 0 && status.minor === 0
      return mark && tryUnlinkat(tree.fd(parent), ground.name(name)) === 0
    },
    found: (directory, status) => {
      directory.found = status
      directory.setgid = (status.mode & 0o2000) !== 0
      if (powers.enters || (status.mode & 0o700) === 0o700) return
      directory.mode ??= status.mode & 0o7777
      fchmod(directory.fd, (status.mode & 0o7777) | 0o700)
    },
    locked: (parent, name, { mode }) => {
      if (powers.enters) return undefined
      // just seen to be a directory, and nobody else is here
      fchmodat(tree.fd(parent), ground.name(name), (mode & 0o7777) | 0o700)
      return mode & 0o7777
    },
    implied: (directory, fresh) => {
      // as the kernel has just done
      directory.setgid = directory.parent?.setgid === true
      if ((powers.umask & 0o755) !== 0) fchmod(tree.fd(directory), directory.setgid ? 0o2755 : 0o755)
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
    powers,
    inherits: false,
    marked: false,
    implied,
    name: nameRoom().write,
    other: nameRoom().write,
    notKept: lost.told,
    lose: lost.lose,
    [Symbol.dispose]: () => tree[Symbol.dispose](),
  }
  if (mode !== undefined) tree.root.mode = mode
  // until the layer describes it
  if (ground.fresh) implied.add(tree.root)
  return ground
}

/** A directory its owner could not fill is made one he can; the mode it had. */
function unlocked(path: string): number | undefined {
  const { mode } = statSync(path)
  if ((mode & 0o700) === 0o700) return undefined
  chmodSync(path, (mode & 0o7777) | 0o700)
  return mode & 0o7777
}

/** as many things that could not be kept as are told */
const told = 20

function losses(warn: (what: string) => void): { told: ReadonlySet<string>; lose: Ground['lose'] } {
  const seen = new Set<string>()
  const all = new Set<string>()
  return {
    told: all,
    lose(name, what, once) {
      const text = `${quoted(name)}: ${what}`
      if (all.size >= told || all.has(text) || seen.has(once ?? text)) return
      seen.add(once ?? text)
      all.add(text)
      warn(text)
    },
  }
}

/** Mark a directory as hiding what lies below it in other layers. */
export function markOpaque(ground: Ground, directory: Directory): void {
  fsetxattr(ground.tree.fd(directory), opaqueName(), opaque)
}

const opaque = Buffer.from('y')
