import { Failure } from '../../../messages/grammar/index.ts'
import { userxattr } from '../../../runtime/overlay-marks.ts'
import { isDirectory, S, type Status } from '../../../runtime/syscalls/index.ts'
import type { Directory } from '../directory.ts'
import { quoted } from '../invalid.ts'
import type { Tree } from '../tree.ts'
import type { Change, Pause, Trees } from './change.ts'
import { isMark, look, lookRaw, namesOf } from './look.ts'
import { type Side, same } from './same.ts'
import { changeOfRoot, entryBytes } from './trees.ts'
import { marksOf, type Xattrs } from './xattrs.ts'

/**
 * Finds what was changed in the directory overlayfs keeps changes in: `upper` is that directory, `lower` what lay below it as it could be seen. Only what overlayfs copied
 * or made is looked at, so the cost is that of the change. What was copied up and is as before is no change.
 */
export async function* changesOfOverlay(
  { upper, lower }: Trees,
  pause: Pause,
  options: MarkOptions = { userxattr: userxattr() },
): AsyncGenerator<Change> {
  const marksAt = (directory: Directory, name: string): Xattrs => marksOf(upper, directory, name, options)
  yield* changeOfRoot({ upper, lower })
  const frames: Frame[] = [frameOf(upper, upper.root, lower?.root, marksAt(upper.root, ''))]
  for (let frame = frames.at(-1); frame !== undefined; frame = frames.at(-1)) {
    const name = frame.names[frame.next++]
    if (name === undefined) {
      frames.pop()
      continue
    }
    await pause(entryBytes)
    const parent = frame.upper
    const status = lookRaw(upper, parent, name)
    if (status === undefined) continue
    const below = lowerSide(lower, frame.lower, name)
    if ((status.mode & S.FMT) === S.SOCK || isRemoval(status, () => frame.marked && marksAt(parent, name).has('whiteout'))) {
      if (below !== undefined) yield { kind: 'removed', parent, name }
      continue
    }
    const one: Side = { tree: upper, directory: parent, name, status }
    if (!isDirectory(status)) {
      // what overlayfs copied in part has its contents elsewhere
      if ((status.mode & S.FMT) === S.REG) refuse(marksAt(parent, name), 'metacopy', one)
      if (!(await isUntouched(one, below, pause))) yield { kind: 'brought', parent, name, status }
      continue
    }
    const marks = marksAt(parent, name)
    refuse(marks, 'redirect', one)
    const hides = isOpaque(marks)
    const merges = below !== undefined && isDirectory(below.status)
    const directory = upper.child(parent, name)
    if (hides || !merges || !(await same(one, below, { pause, sure: true }))) yield { kind: 'brought', parent, name, status }
    if (hides && merges) yield { kind: 'hides', directory }
    const lowerDirectory = merges && !hides && frame.lower ? lower?.child(frame.lower, name) : undefined
    frames.push(frameOf(upper, directory, lowerDirectory, marks))
  }
}

/** Which attributes are overlayfs's: it uses others in a user namespace. */
interface MarkOptions {
  readonly userxattr: boolean
}

/** A directory of the upper tree, what it is merged with, and how far it is gone through. */
interface Frame {
  readonly upper: Directory
  readonly lower: Directory | undefined
  readonly names: readonly string[]
  /** removals in it may be attributes of files */
  readonly marked: boolean
  next: number
}

const frameOf = (tree: Tree, upper: Directory, lower: Directory | undefined, marks: Xattrs): Frame => ({
  upper,
  lower,
  names: namesOf(tree, upper),
  marked: marks.get('opaque')?.toString() === 'x',
  next: 0,
})

function lowerSide(lower: Tree | undefined, directory: Directory | undefined, name: string): Side | undefined {
  if (lower === undefined || directory === undefined) return undefined
  const status = look(lower, directory, name)
  return status && { tree: lower, directory, name, status }
}

/** A device 0:0, or, where those cannot be made, an empty file with an attribute, in a directory that says there are such. */
const isRemoval = (status: Status, marked: () => boolean): boolean =>
  isMark(status) || ((status.mode & S.FMT) === S.REG && status.size === 0 && marked())

const isOpaque = (marks: Xattrs): boolean => marks.get('opaque')?.toString() === 'y'

/** Copied up, and as before. One of several names of a file is not: overlayfs parted it from the others when it copied it. */
const isUntouched = async (one: Side, below: Side | undefined, pause: Pause): Promise<boolean> =>
  below !== undefined && one.status.links === 1 && below.status.links === 1 && (await same(one, below, { pause, sure: true }))

function refuse(marks: Xattrs, mark: string, { directory, name }: Side): void {
  if (!marks.has(mark)) return
  throw new Failure(
    'failed_precondition',
    `read ${quoted(directory.below(name))}: overlayfs was told to use ${mark}, so what is there is kept in another layer`,
  )
}
