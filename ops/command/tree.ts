/** How a thing hangs on another. */
export interface Hanging<T> {
  readonly keyOf: (thing: T) => string
  /** one that is not among them counts as none */
  readonly parentOf: (thing: T) => string | undefined
}

/** A thing and what hangs on it. */
export interface Branch<T> {
  readonly thing: T
  readonly children: readonly Branch<T>[]
}

/** Things under those they hang on, by key at each place: however they come, the same ones give the same trees. */
export function grow<T>(things: readonly T[], { keyOf, parentOf }: Hanging<T>): Branch<T>[] {
  const sorted = things.toSorted((one, other) => (keyOf(one) < keyOf(other) ? -1 : 1))
  const branches = new Map(sorted.map((thing) => [keyOf(thing), { thing, children: [] as Branch<T>[] }]))
  const roots: Branch<T>[] = []
  for (const branch of branches.values()) {
    const parent = branches.get(parentOf(branch.thing) ?? '')
    if (parent === undefined) roots.push(branch)
    else parent.children.push(branch)
  }
  return roots
}

/** Trees as lines, each thing below what it hangs on. */
export const draw = <T>(roots: readonly Branch<T>[], textOf: (thing: T) => string): string[] =>
  roots.flatMap(({ thing, children }) => [textOf(thing), ...below(children, textOf)])

const below = <T>(children: readonly Branch<T>[], textOf: (thing: T) => string): string[] =>
  children.flatMap(({ thing, children: further }, at) => {
    const last = at === children.length - 1
    return [`${last ? '└── ' : '├── '}${textOf(thing)}`, ...below(further, textOf).map((line) => `${last ? '    ' : '│   '}${line}`)]
  })
