import type { Tables } from '../tables.ts'
import { refsOf, thingTable } from './things.ts'
import type { View } from './view.ts'

/**
 * Doom things found unneeded in a view, in one transaction; answers the names of those doomed, and how many were not. What changed since the view was made, and all it refers to, is spared. Whoever comes
 * to need something doomed saves it in the transaction that refers to it or holds it, and its owner is refused to collect it.
 *
 * `names` are unneeded things such that whatever unneeded thing refers to one of them is among them or was given to an earlier call: what saves
 * relies on it that nothing that is not doomed refers to anything that is.
 */
export async function doom(tables: Tables, view: Pick<View, 'changed' | 'spared'>, names: readonly string[]): Promise<Doomed> {
  const things = thingTable(tables)
  return await tables.transaction(() => {
    const reached = reachedFromChanged(tables, view)
    const doomed = new Set<string>()
    let spared = 0
    for (const name of names) {
      const row = things.get(name)
      if (!row) continue
      if (reached.has(name)) {
        spared += 1
        tables.afterCommit(() => view.spared.add(name))
      } else {
        doomed.add(name)
        if (!row.doomed) things.put(name, { ...row, doomed: true })
      }
    }
    return { doomed, spared }
  })
}

interface Doomed {
  readonly doomed: ReadonlySet<string>
  readonly spared: number
}

/** What changed since the view was made or was spared, and all that can be come to from there: whatever of it is needed now was not for another reason than these. */
function reachedFromChanged(tables: Tables, { changed, spared }: Pick<View, 'changed' | 'spared'>): ReadonlySet<string> {
  const things = thingTable(tables)
  const reached = new Set([...changed(), ...spared])
  for (const name of reached) {
    const row = things.get(name)
    for (const ref of row ? refsOf(row) : []) reached.add(ref)
  }
  return reached
}

/** Take away the row of something doomed whose owner does not know it, unless it was made meanwhile. */
export async function forget(tables: Tables, name: string): Promise<void> {
  const things = thingTable(tables)
  await tables.transaction(() => {
    if (things.get(name)?.doomed) things.remove(name)
  })
}
