import type { Moment, Status } from '../../runtime/syscalls/index.ts'

/** A real directory below the root, known by the directory it is in and its name there: never through a link. */
export class Directory {
  readonly parent: Directory | undefined
  /** latin1, one character a byte */
  readonly name: string
  readonly depth: number
  children: Map<string, Directory> | undefined
  /** names in it, not directories, that this layer brought; kept only when something else may be there too */
  files: Set<string> | undefined
  /** -1 when closed */
  fd = -1
  /** what is made in it inherits its group */
  setgid = false
  /** whether this layer put anything in it, or described it */
  ours = false
  removed = false
  /** what it was like when it was found, if the layer did not make it */
  found: Status | undefined
  /** permission bits it is to have in the end, when it cannot have them before */
  mode: number | undefined
  /** times it is to have in the end */
  times: { accessed: Moment; modified: Moment } | undefined

  constructor(parent: Directory | undefined, name: string) {
    this.parent = parent
    this.name = name
    this.depth = parent === undefined ? 0 : parent.depth + 1
  }

  /** Say that the layer has something here, in all directories above too. */
  claim(): void {
    for (let at: Directory | undefined = this; at !== undefined && !at.ours; at = at.parent) at.ours = true
  }

  /** From the root, without a slash in front; for people and reports, never to be opened. */
  path(): string {
    const names: string[] = []
    for (let at: Directory = this; at.parent !== undefined; at = at.parent) names.push(at.name)
    return names.reverse().join('/')
  }

  /** The path of a name in it. */
  below(name: string): string {
    return this.parent === undefined ? name : `${this.path()}/${name}`
  }

  /** This and every known directory below. */
  *all(): Iterable<Directory> {
    const left: Directory[] = [this]
    for (let next = left.pop(); next !== undefined; next = left.pop()) {
      yield next
      if (next.children) left.push(...next.children.values())
    }
  }
}
