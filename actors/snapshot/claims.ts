import { Failure } from '../../messages/grammar/index.ts'
import type { Tables } from '../../runtime/tables.ts'
import { recordId, type Snapshot } from './record.ts'

/**
 * Who has which key or name, and who stands on whom: indexes of the records, kept in step inside every transaction that changes one.
 * A snapshot being committed has both its key and the name it is to get, and stands on its parent already. One that takes the place of another stands on that one
 * meanwhile, and alone.
 */
export interface Claims {
  /** Record id of the snapshot that has a key or name. */
  holder(driver: string, key: string): string | undefined
  /** Keys and names of a driver in order, with record ids. */
  range(driver: string, options: { after: string | undefined }): Iterable<{ key: string; id: string }>
  hasChildren(record: Snapshot): boolean
  /** Inside a transaction: claim what `record` needs now and let go of the rest. Fails with already_exists, not_found or failed_precondition. */
  reconcile(record: Snapshot, options: { stateOf: (id: string) => string | undefined }): Claimed
}

/** Keys and names a snapshot has come to have, or has no more. */
export interface Claimed {
  readonly taken: readonly string[]
  readonly released: readonly string[]
}

export function openClaims(tables: Tables): Claims {
  const keys = tables.table<string>('snapshot.keys')
  const children = tables.table<true | 'replaces'>('snapshot.children')
  const held = tables.table<Held>('snapshot.claims')

  const claims: Claims = {
    holder: (driver, key) => keys.get(under(driver, key)),
    *range(driver, { after }) {
      const prefix = under(driver, '')
      for (const { key, value } of keys.range({ prefix, ...(after !== undefined && { after: prefix + after }) }))
        yield { key: key.slice(prefix.length), id: value }
    },
    hasChildren: ({ id }) => [...children.range({ prefix: under(id, ''), limit: 1 })].length > 0,
    reconcile(record, { stateOf }) {
      const { id } = record
      const had = held.get(id) ?? none
      const wanted = wantedBy(record)
      if (same(had, wanted)) return { taken: [], released: [] }
      if (wanted.keys.length === 0 && claims.hasChildren(record))
        throw new Failure('failed_precondition', `remove ${record.context.key}: other snapshots stand on it`)
      const [taken, released] = [without(wanted.keys, had.keys), without(had.keys, wanted.keys)]
      for (const key of released) keys.remove(key)
      if (had.replaces !== undefined && wanted.replaces === undefined) children.remove(under(had.replaces, id))
      for (const parent of had.parents) if (!wanted.parents.includes(parent)) children.remove(under(parent, id))
      for (const key of taken) take(record, key)
      for (const parent of wanted.parents) if (!had.parents.includes(parent)) standOn(record, parent, stateOf(parent))
      if (wanted.replaces !== undefined && had.replaces === undefined) replace(record, wanted.replaces, stateOf(wanted.replaces))
      if (wanted.keys.length > 0) held.put(id, wanted)
      else held.remove(id)
      return { taken: taken.map(withoutDriver), released: released.map(withoutDriver) }
    },
  }
  return claims

  function take(record: Snapshot, key: string): void {
    if (keys.get(key) !== undefined)
      throw new Failure('already_exists', `${doing(record)}: the ${record.context.commitment ? 'name' : 'key'} is taken`)
    keys.put(key, record.id)
  }

  function replace(record: Snapshot, replaced: string, state: string | undefined): void {
    const doing = `replace ${record.context.replacement?.name}`
    if (state === undefined || state === 'removing') throw new Failure('not_found', `${doing}: it was removed meanwhile`)
    for (const { value } of children.range({ prefix: under(replaced, '') }))
      if (value === 'replaces') throw new Failure('failed_precondition', `${doing}: another takes its place already`)
    children.put(under(replaced, record.id), 'replaces')
  }

  function standOn(record: Snapshot, parent: string, state: string | undefined): void {
    if (state === undefined || state === 'removing') throw new Failure('not_found', `${doing(record)}: its parent was removed meanwhile`)
    if (state !== 'committed') throw new Failure('failed_precondition', `${doing(record)}: its parent is ${state}`)
    children.put(under(parent, record.id), true)
  }
}

/** What a record has claimed: entries of the two indexes. */
interface Held {
  readonly keys: readonly string[]
  readonly parents: readonly string[]
  /** the one it takes the place of */
  readonly replaces?: string
}

const none: Held = { keys: [], parents: [] }

function wantedBy({ value, context }: Snapshot): Held {
  if (value === 'removing' || value === 'removed') return none
  const { driver, key, ancestors, commitment, replacement } = context
  const [parent] = commitment?.ancestors ?? ancestors
  return {
    keys: [key, ...(commitment ? [commitment.name] : [])].map((one) => under(driver, one)),
    parents: parent === undefined ? [] : [recordId(driver, parent)],
    ...(replacement && { replaces: recordId(driver, replacement.of) }),
  }
}

const without = (some: readonly string[], others: readonly string[]): string[] => some.filter((one) => !others.includes(one))

const withoutDriver = (key: string): string => key.slice(key.indexOf('/') + 1)

const under = (first: string, rest: string): string => `${first}/${rest}`

const same = (one: Held, other: Held): boolean => JSON.stringify(one) === JSON.stringify(other)

const doing = ({ context: { key, commitment } }: Snapshot): string =>
  commitment ? `commit ${key} as ${commitment.name}` : `prepare ${key}`
