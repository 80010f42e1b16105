import type { Status } from '../../../runtime/syscalls/index.ts'
import type { Directory } from '../directory.ts'

/** A name of a file, and what the file is. */
export interface Name {
  readonly parent: Directory
  readonly name: string
  readonly status: Status
}

/**
 * Which names are one file. What was told in full is told again, under any other name, as a link to that. Names under which nothing was changed are kept until one is told under which
 * something was; those left in the end are as they were, unless they are not names of the same file any more.
 */
export class Linked {
  /** paths of what was told in full, by inode */
  readonly #told = new Map<string, string>()
  readonly #kept = new Map<string, { name: Name; lower: string }[]>()

  /** The path under which the file was told. */
  first(status: Status): string | undefined {
    return status.links > 1 ? this.#told.get(keyOf(status)) : undefined
  }

  /** It was told in full: the names kept, which are to be told as links to it now. */
  told({ status }: Name, path: string): Name[] {
    if (status.links <= 1) return []
    const key = keyOf(status)
    this.#told.set(key, path)
    const kept = this.#kept.get(key) ?? []
    this.#kept.delete(key)
    return kept.map(({ name }) => name)
  }

  /** Nothing is different under this name. */
  keep(name: Name, lower: Status): void {
    const key = keyOf(name.status)
    const kept = this.#kept.get(key)
    const one = { name, lower: keyOf(lower) }
    if (kept === undefined) this.#kept.set(key, [one])
    else kept.push(one)
  }

  /** Names, by file, that are to be told after all: what is one file now was several, or what is several was one. */
  *parted(): Generator<[Name, ...Name[]]> {
    const taken = new Set<string>()
    for (const kept of this.#kept.values()) {
      const lowers = new Set(kept.map(({ lower }) => lower))
      const [lower] = lowers
      const [first, ...others] = kept.map(({ name }) => name)
      if (lower === undefined || first === undefined) continue
      if (lowers.size === 1 && !taken.has(lower)) taken.add(lower)
      else yield [first, ...others]
    }
  }
}

const keyOf = ({ device, inode }: Status): string => `${device}:${inode}`
