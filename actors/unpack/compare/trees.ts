import { isDirectory, statx } from '../../../runtime/syscalls/index.ts'
import type { Directory } from '../directory.ts'
import type { Change, Pause, Trees } from './change.ts'
import { look, namesOf } from './look.ts'
import { type Side, same, sameRoot } from './same.ts'

/** Finds what was changed by walking two trees together; for any driver, and any two snapshots. */
export async function* changesOfTrees({ upper, lower }: Trees, pause: Pause): AsyncGenerator<Change> {
  const at = (directory: Directory, name: string): Side | undefined => {
    const status = look(upper, directory, name)
    return status && { tree: upper, directory, name, status }
  }
  const below = (directory: Directory | undefined, name: string): Side | undefined => {
    if (directory === undefined || lower === undefined) return undefined
    const status = look(lower, directory, name)
    return status && { tree: lower, directory, name, status }
  }
  yield* changeOfRoot({ upper, lower })
  const frames: Frame[] = [frameOf({ upper, lower }, upper.root, lower?.root)]
  for (let frame = frames.at(-1); frame !== undefined; frame = frames.at(-1)) {
    const name = frame.names[frame.next++]
    if (name === undefined) {
      frames.pop()
      continue
    }
    await pause(entryBytes)
    const [one, other] = [at(frame.upper, name), below(frame.lower, name)]
    if (one === undefined) {
      if (other !== undefined) yield { kind: 'removed', parent: frame.upper, name }
      continue
    }
    const { status } = one
    const equal = other !== undefined && (await same(one, other, { pause, sure: false }))
    if (!equal) yield { kind: 'brought', parent: frame.upper, name, status }
    if (isDirectory(status)) {
      const also = other && isDirectory(other.status) && frame.lower ? lower?.child(frame.lower, name) : undefined
      frames.push(frameOf({ upper, lower }, upper.child(frame.upper, name), also))
    } else if (equal && (status.links > 1 || other.status.links > 1))
      yield { kind: 'same', parent: frame.upper, name, status, lower: other.status }
  }
}

/** What is told of the roots, for which there is no name. */
export function* changeOfRoot({ upper, lower }: Trees): Generator<Change> {
  const status = statx(upper.fd(upper.root), '')
  const below = lower && { tree: lower, directory: lower.root, name: '', status: statx(lower.fd(lower.root), '') }
  if (!sameRoot({ tree: upper, directory: upper.root, name: '', status }, below)) yield { kind: 'root', status }
}

/** Two directories of one path, and how far they are gone through. */
interface Frame {
  readonly upper: Directory
  readonly lower: Directory | undefined
  readonly names: readonly string[]
  next: number
}

function frameOf(trees: Trees, upper: Directory, lower: Directory | undefined): Frame {
  const own = namesOf(trees.upper, upper)
  const others = lower && trees.lower ? trees.lower.names(lower) : []
  const names = others.length === 0 ? own : [...new Set([...own, ...others])].sort()
  return { upper, lower, names, next: 0 }
}

/** What looking at one entry counts for. */
export const entryBytes = 16 * 1024
