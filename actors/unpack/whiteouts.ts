import { fchownat, S, SystemError, tryMknodat, tryStatx } from '../../runtime/syscalls/index.ts'
import type { Directory } from './directory.ts'
import { remove } from './entries.ts'
import { type Ground, markOpaque } from './ground.ts'
import { invalid, quoted } from './invalid.ts'
import type { Entry } from './tar/entry.ts'

export const prefix = '.wh.'
export const opaqueName = '.wh..wh..opq'
const EEXIST = -17

/** Whether a name says that something is removed. */
export const isWhiteout = (base: string): boolean => base.startsWith(prefix)

/**
 * Carry out, or mark, the deletion a name says. It is about what other layers have there: what this layer itself has there stays,
 * whichever comes first. Fails with data_loss for a name that would remove no one thing.
 */
export function whiteOut(ground: Ground, parent: Directory, base: string, entry: Entry): void {
  const name = base.slice(prefix.length)
  if (base === opaqueName) hideBelow(ground, parent)
  else if (name.startsWith(prefix))
    return // what aufs kept for itself; of no meaning elsewhere
  else hideOne(ground, parent, name, entry)
}

function hideOne(ground: Ground, parent: Directory, name: string, entry: Entry): void {
  if (name === '' || name === '.' || name === '..') throw invalid(`${quoted(entry.name)}: a whiteout of no name`)
  if (ground.whiteouts === 'overlay') mark(ground, parent, name, entry)
  else if (!ground.fresh) take(ground, parent, name)
}

/** Everything other layers have in a directory. */
function hideBelow(ground: Ground, directory: Directory): void {
  if (ground.whiteouts === 'remove') {
    if (!ground.fresh) clear(ground, directory)
    return
  }
  directory.claim()
  // the root of an upper directory cannot hide the roots below it: overlayfs does not look there
  markOpaque(ground, directory)
}

/** A character device 0:0, which overlayfs takes for "not here". */
function mark(ground: Ground, parent: Directory, name: string, entry: Entry): void {
  const at = ground.tree.fd(parent)
  const result = tryMknodat(at, ground.name(name), S.CHR, 0, 0)
  if (result === EEXIST) {
    markExisting(ground, parent, name)
    return
  }
  if (result < 0) throw new SystemError(-result, 'mknod')
  ground.marked = true
  parent.claim()
  if (ground.powers.all && (entry.uid !== ground.powers.uid || entry.gid !== ground.powers.gid))
    fchownat(at, ground.name(name), entry.uid, entry.gid)
}

/** The layer has something there already. A directory would let what is below shine through. */
function markExisting(ground: Ground, parent: Directory, name: string): void {
  const status = tryStatx(ground.tree.fd(parent), ground.name(name))
  if (typeof status === 'number' || (status.mode & S.FMT) !== S.DIR) return
  const directory = ground.tree.child(parent, name)
  ground.implied.delete(directory)
  markOpaque(ground, directory)
}

function take(ground: Ground, parent: Directory, name: string): void {
  if (parent.files?.has(name)) return
  const directory = parent.children?.get(name)
  if (directory?.ours) clear(ground, directory)
  else remove(ground, parent, name)
}

/** Remove from a directory what this layer did not bring. */
function clear(ground: Ground, directory: Directory): void {
  for (const name of ground.tree.names(directory)) take(ground, directory, name)
}
