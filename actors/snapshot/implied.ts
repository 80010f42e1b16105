import { Failure } from '../../messages/grammar/index.ts'
import { fromErrno } from '../../runtime/errno.ts'
import { close, isDirectory, O, openat, S, type Status, SystemError, statx, tryOpenat } from '../../runtime/syscalls/index.ts'
import { isOpaque, takeAttributes } from './attributes.ts'

/**
 * Give directories that a layer used without describing them what they are in its ancestors: owner, mode, times, attributes.
 *
 * `paths` are relative to the root of the layer (`.` is the root). `from` are the ancestors, nearest first; what they show is found as overlayfs finds it: a directory
 * is that of the uppermost layer that has it, a whiteout or an opaque directory hides all below, and then there is nothing to take.
 * Every step is one name looked up in an open directory, no link is followed.
 *
 * Fails with failed_precondition, `{reason: 'implied', path}`, when an ancestor shows anything but a directory at a path or on the way to it: then the layer belongs somewhere
 * else, and has to be applied on top of its parent.
 */
export function adoptImplied(paths: readonly string[], layers: { readonly of: string; readonly from: readonly string[] }): void {
  if (paths.length === 0 || layers.from.length === 0) return
  using opened = new DisposableStack()
  try {
    const into = opened.adopt(openat(-100, layers.of, O.RDONLY | O.DIRECTORY | O.NOFOLLOW), close)
    const below = layers.from.map((path) => opened.adopt(openat(-100, path, O.PATH | O.DIRECTORY | O.NOFOLLOW), close))
    descend(treeOf(paths), { path: '', into, below: visible(into, below) })
  } catch (error) {
    throw fromErrno(error, `complete directories of ${layers.of}`)
  }
}

/** The paths as a tree: what they share is walked once. */
interface Node {
  wanted: boolean
  readonly children: Map<string, Node>
}

function treeOf(paths: readonly string[]): Node {
  const root: Node = { wanted: false, children: new Map() }
  for (const path of paths) {
    const parts = path.split('/').filter((part) => part !== '' && part !== '.')
    if (parts.includes('..')) throw new Failure('invalid_argument', `complete directory ${JSON.stringify(path)}: it has .. in it`)
    let node = root
    for (const part of parts) {
      const next = node.children.get(part) ?? { wanted: false, children: new Map() }
      node.children.set(part, next)
      node = next
    }
    node.wanted = true
  }
  return root
}

/** One directory, in the layer and in those below that show it, nearest first. */
interface Place {
  readonly path: string
  readonly into: number
  readonly below: readonly number[]
}

function descend(node: Node, { path, into, below }: Place): void {
  const [uppermost] = below
  if (uppermost === undefined) return
  if (node.wanted) takeAttributes(uppermost, into)
  for (const [name, child] of node.children) {
    using opened = new DisposableStack()
    const next = tryOpenat(into, name, O.RDONLY | O.DIRECTORY | O.NOFOLLOW)
    // The layer made it, and took it away again.
    if (next === ENOENT || next === ENOTDIR || next === ELOOP) continue
    if (next < 0) throw new SystemError(-next, 'openat')
    opened.adopt(next, close)
    const place = `${path}${name}`
    const shown = merged(below, { name, path: place }, opened)
    descend(child, { path: `${place}/`, into: next, below: visible(next, shown) })
  }
}

/** The directories `name` that layers show through each other, nearest first; none when it is hidden or nowhere. */
function merged(layers: readonly number[], { name, path }: { name: string; path: string }, opened: DisposableStack): number[] {
  const shown: number[] = []
  for (const layer of layers) {
    const found = tryOpenat(layer, name, O.PATH | O.NOFOLLOW)
    if (found === ENOENT) continue
    if (found < 0) throw new SystemError(-found, 'openat')
    opened.adopt(found, close)
    const status = statx(found, '')
    if (!isDirectory(status)) {
      if (shown.length > 0 || isWhiteout(status)) break
      throw new Failure('failed_precondition', `complete directory ${path}: a layer below has something else there`, {
        details: { reason: 'implied', path },
      })
    }
    shown.push(found)
    if (isOpaque(found)) break
  }
  return shown
}

/** An opaque directory of the layer itself hides what is below it. */
const visible = (into: number, below: readonly number[]): readonly number[] => (isOpaque(into) ? [] : below)

const isWhiteout = ({ mode, major, minor }: Status): boolean => (mode & S.FMT) === S.CHR && major === 0 && minor === 0

const ENOENT = -2
const ENOTDIR = -20
const ELOOP = -40
