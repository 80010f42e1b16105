import { isAlive, type Living, thisProcess } from '../alive.ts'
import type { Table, Tables } from '../tables.ts'

/**
 * What changed while somebody reads all that is kept, a piece at a time: without it, a reference moved from what is still to be read to what was read already would
 * not be seen. Everybody who writes what is kept notes it; costs one lookup while nobody reads.
 */
export interface Journal {
  /** Inside a transaction: something was written of a thing, or a lease came to hold it. */
  note(name: string, lease?: string): void
}

export function openJournal(tables: Tables): Journal {
  const { readers, notes } = tablesOf(tables)
  return {
    note(name, lease) {
      for (const { id } of readers.get(all) ?? []) {
        const key = `${id}/${name}`
        notes.put(key, [...(notes.get(key) ?? []), ...(lease === undefined ? [] : [lease])])
      }
    },
  }
}

/** One who reads. Disposing it ends the notes. */
export interface Reading extends AsyncDisposable {
  /** Inside a transaction: what was noted since the reading began, or since it was cleared, and the leases that came to hold it. */
  notes(): Iterable<{ name: string; leases: readonly string[] }>
  /** Inside a transaction: what was noted is read. */
  clear(): void
}

/** Have noted, from now on, what changes. Notes for readers that died are thrown away. */
export async function openReading(tables: Tables, id: string): Promise<Reading> {
  const { readers, notes } = tablesOf(tables)
  const holder = await thisProcess()
  const before = readers.get(all) ?? []
  const alive = await Promise.all(before.map((reader) => isAlive(reader.holder)))
  const dead = before.filter((_, at) => !alive[at]).map((reader) => reader.id)

  const clear = (reader: string) => {
    for (const { key } of notes.range({ prefix: `${reader}/` })) notes.remove(key)
  }
  const leave = (leaving: readonly string[]) => {
    for (const reader of leaving) clear(reader)
    return (readers.get(all) ?? []).filter((reader) => !leaving.includes(reader.id))
  }
  await tables.transaction(() => readers.put(all, [...leave(dead), { id, holder }]))

  return {
    *notes() {
      for (const { key, value } of notes.range({ prefix: `${id}/` })) yield { name: key.slice(id.length + 1), leases: value }
    },
    clear: () => clear(id),
    async [Symbol.asyncDispose]() {
      await tables.transaction(() => {
        const left = leave([id])
        if (left.length > 0) readers.put(all, left)
        else readers.remove(all)
      })
    },
  }
}

/** the one key of the table of readers */
const all = 'all'

const tablesOf = (
  tables: Tables,
): { readers: Table<readonly { readonly id: string; readonly holder: Living }[]>; notes: Table<readonly string[]> } => ({
  readers: tables.table('keeping.readers'),
  notes: tables.table('keeping.notes'),
})
