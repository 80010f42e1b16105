import { Failure } from '../../messages/grammar/index.ts'
import {
  isDirectory,
  mkdirat,
  O,
  S,
  SystemError,
  tryLinkat,
  tryMkdirat,
  tryMknodat,
  tryOpenat,
  tryStatx,
  trySymlinkat,
} from '../../runtime/syscalls/index.ts'
import { creationMode, finishDirectory, finishNode, finishSymlink } from './attributes.ts'
import type { Directory } from './directory.ts'
import { type Ground, markOpaque } from './ground.ts'
import { excessive, invalid, quoted } from './invalid.ts'
import { type Place, placeOf } from './names.ts'
import { removeAt } from './removal.ts'
import type { Entry } from './tar/entry.ts'

const EEXIST = -17
const ENOENT = -2
const EPERM = -1
const EMLINK = -31

/** Make an empty file and open it for writing; what was there under its name is gone. */
export function openFile(ground: Ground, parent: Directory, base: string, entry: Entry): number {
  bring(ground, parent, base)
  const create = (): number =>
    tryOpenat(ground.tree.fd(parent), ground.name(base), O.WRONLY | O.CREAT | O.EXCL | O.NOFOLLOW, creationMode(ground, entry))
  return replacing(ground, parent, base, 'open', create)
}

/** Make a directory, or describe again one that is there; contents stay. */
export function makeDirectory(ground: Ground, parent: Directory, base: string, entry: Entry): void {
  const { tree } = ground
  parent.claim()
  const mode = ground.powers.enters ? creationMode(ground, entry) : creationMode(ground, entry) | 0o700
  const result = tryMkdirat(tree.fd(parent), ground.name(base), mode)
  const merged = result === EEXIST && isDirectoryAt(ground, parent, base)
  if (result === EEXIST && !merged) {
    remove(ground, parent, base)
    mkdirat(tree.fd(parent), ground.name(base), mode)
  } else if (result < 0 && result !== EEXIST) throw new SystemError(-result, 'mkdir')
  const directory = tree.child(parent, base)
  directory.claim()
  // what was removed had hidden what other layers have there, and goes on doing so
  if (result === EEXIST && !merged && ground.whiteouts === 'overlay') markOpaque(ground, directory)
  ground.implied.delete(directory)
  finishDirectory(ground, directory, entry, !merged)
}

/** The root is there already, and stays what it is: it takes owner, mode, attributes and times of its entry. */
export function describeRoot(ground: Ground, entry: Entry): void {
  const { root } = ground.tree
  root.claim()
  ground.implied.delete(root)
  finishDirectory(ground, root, entry, false)
}

/** Make a symbolic link holding the target as it is written. */
export function makeSymlink(ground: Ground, parent: Directory, base: string, entry: Entry): void {
  if (entry.target === '' || entry.target.length >= ground.limits.path)
    throw invalid(`${quoted(entry.name)}: a link to a name of ${entry.target.length} bytes`)
  bring(ground, parent, base)
  const create = (): number => trySymlinkat(ground.other(entry.target), ground.tree.fd(parent), ground.name(base))
  replacing(ground, parent, base, 'symlink', create)
  finishSymlink(ground, parent, base, entry)
}

/** Make a device or a fifo. */
export function makeNode(ground: Ground, parent: Directory, base: string, entry: Entry): void {
  const { major, minor, kind } = entry
  // what the kernel keeps of them; larger ones would come out as another device
  if (major < 0 || minor < 0 || major > 0xfff || minor > 0xfffff)
    throw invalid(`${quoted(entry.name)}: device ${major}:${minor} is out of range`)
  if (kind !== 'fifo' && !ground.powers.all) {
    ground.lose(entry.name, `${kind} device ${major}:${minor}, which only root makes`)
    return
  }
  bring(ground, parent, base)
  const type = kind === 'fifo' ? S.FIFO : kind === 'block' ? S.BLK : S.CHR
  const create = (): number => tryMknodat(ground.tree.fd(parent), ground.name(base), type | creationMode(ground, entry), major, minor)
  replacing(ground, parent, base, 'mknod', create)
  finishNode(ground, parent, base, entry)
}

/**
 * Make another name for a file of the layer. One that is not there fails with data_loss; where it may be in a layer below that cannot be
 * seen, with failed_precondition and `reason: 'parent'`.
 */
export function makeLink(ground: Ground, parent: Directory, base: string, entry: Entry): void {
  const target = placeOf(entry.target, ground.limits)
  if (target === undefined) throw invalid(`${quoted(entry.name)}: a hard link to the root`)
  const from = ground.tree.find(target.directory, { whole: ground.whiteouts === 'remove' || ground.base })
  if (from === undefined) throw noTarget(ground, entry)
  checkTarget(ground, from, target, entry)
  if (from === parent && target.base === base) return
  bring(ground, parent, base)
  const create = (): number => {
    if (from.removed) return ENOENT
    const [there, here] = ground.tree.fds(from, parent)
    return tryLinkat(there, ground.other(target.base), here, ground.name(base))
  }
  const result = replacing(ground, parent, base, 'link', create, [ENOENT, EPERM, EMLINK])
  if (result === ENOENT) throw noTarget(ground, entry)
  if (result === EMLINK) throw excessive(`${quoted(entry.name)}: more hard links to ${quoted(entry.target)} than the file system keeps`)
  if (result === EPERM) throw invalid(`${quoted(entry.name)}: a hard link to ${quoted(entry.target)}, which cannot be linked to`)
}

/** Remove whatever has a name, and forget what is known of it. Whether there was anything. */
export function remove(ground: Ground, parent: Directory, base: string): boolean {
  for (const gone of parent.children?.get(base)?.all() ?? []) ground.implied.delete(gone)
  ground.tree.forget(parent, base)
  parent.files?.delete(base)
  return removeAt(ground.tree.fd(parent), base)
}

/** Note that the layer has something under this name, so that a deletion in the same layer does not take it. */
function bring(ground: Ground, parent: Directory, base: string): void {
  parent.claim()
  if (ground.fresh || ground.whiteouts === 'overlay') return
  parent.files ??= new Set()
  parent.files.add(base)
}

/** Create; when something is in the way, remove it and create again. The result, or an errno that was said to be expected. */
function replacing(
  ground: Ground,
  parent: Directory,
  base: string,
  syscall: string,
  create: () => number,
  expected: readonly number[] = [],
): number {
  let result = create()
  if (result === EEXIST) {
    remove(ground, parent, base)
    bring(ground, parent, base)
    result = create()
  }
  if (result >= 0 || expected.includes(result)) return result
  throw new SystemError(-result, syscall)
}

function isDirectoryAt(ground: Ground, parent: Directory, base: string): boolean {
  if (parent.children?.has(base)) return true
  const status = tryStatx(ground.tree.fd(parent), ground.name(base))
  return typeof status !== 'number' && isDirectory(status)
}

/** A mark of removal is not a file to link to; what it hides is gone. */
function checkTarget(ground: Ground, from: Directory, { base }: Place, entry: Entry): void {
  if (!ground.marked) return
  const status = tryStatx(ground.tree.fd(from), ground.name(base))
  if (typeof status === 'number') throw noTarget(ground, entry)
  if ((status.mode & S.FMT) === S.CHR && status.major === 0 && status.minor === 0)
    throw invalid(`${quoted(entry.name)}: a hard link to ${quoted(entry.target)}, which the layer removes`)
}

function noTarget(ground: Ground, entry: Entry): Failure {
  const what = `${quoted(entry.name)}: a hard link to ${quoted(entry.target)}, which is not there`
  if (ground.whiteouts !== 'overlay' || ground.base) return invalid(what)
  return new Failure('failed_precondition', `apply layer: ${what}`, { details: { reason: 'parent' } })
}
