import type { Table, Tables } from '../tables.ts'

/** Something that is there and may be kept: a kind, without a slash, and a key within it. */
export interface Thing {
  readonly kind: string
  readonly key: string
}

/** What is known of a thing: what it refers to, and what keeps it beside that. */
export interface Row {
  /** names of things it refers to itself */
  readonly refs: readonly string[]
  /** names of things its labels refer to */
  readonly labelled: readonly string[]
  /** kept whatever refers to it */
  readonly root?: boolean | undefined
  /** its label makes it a root until then; `always` when it says no time that can be read */
  readonly rooted?: string | undefined
  /** no root from then on, though it is one otherwise */
  readonly expires?: string | undefined
  /** kept until then for having been made under no lease */
  readonly until?: string | undefined
  /** bytes */
  readonly size?: number | undefined
  /** found unneeded, and nothing came to need it since */
  readonly doomed?: boolean | undefined
}

/** Names of everything a thing refers to. */
export const refsOf = ({ refs, labelled }: Row): readonly string[] => [...refs, ...labelled]

/** For ever, sorting after every time. */
export const forever = 'for ever'

/**
 * Until when a thing is kept by what is said of it, whatever holds it or refers to it; the empty string if not at all. The label `gantry.gc.expire` ends all of
 * that; but a container, which is taken from nobody, goes on.
 */
export function rootUntil(name: string, { root, rooted = '', until = '', expires = forever }: Row): string {
  if (root && name.startsWith('container/')) return forever
  const longest = [root ? forever : '', rooted === 'always' ? forever : rooted, until].toSorted().at(-1) ?? ''
  return longest < expires ? longest : expires
}

/** Whether a thing is kept at a time, whatever holds it or refers to it. */
export const isRootAt = (name: string, row: Row, at: string): boolean => rootUntil(name, row) > at

export const thingTable = (tables: Tables): Table<Row> => tables.table<Row>('thing')

/** A thing as a key of the table, and as one of its references. */
export const nameOf = ({ kind, key }: Thing): string => `${kind}/${key}`

export const thingOf = (name: string): Thing => ({ kind: name.slice(0, name.indexOf('/')), key: name.slice(name.indexOf('/') + 1) })

/** Labels of a thing. */
export type Labels = Readonly<Record<string, string>>

/**
 * What labels say of keeping: `gantry.gc.ref.<kind>[.x]` gives the key of a thing it refers to, `gantry.gc.root` makes it a root, until the time it gives if it
 * gives one, `gantry.gc.expire` gives the time from which it is none.
 */
export function readLabels(labels: Labels): Pick<Row, 'labelled' | 'rooted' | 'expires'> {
  const { 'gantry.gc.root': root, 'gantry.gc.expire': expires } = labels
  return {
    labelled: Object.entries(labels).flatMap(([label, key]) => {
      const [, kind] = /^gantry\.gc\.ref\.([a-z]+)(?:\..*)?$/.exec(label) ?? []
      return kind === undefined ? [] : [nameOf({ kind, key })]
    }),
    rooted: root === undefined ? undefined : (timeOf(root) ?? 'always'),
    expires: expires === undefined ? undefined : timeOf(expires),
  }
}

/** RFC 3339 in any offset, as the UTC text that sorts by time. Only that: to Date.parse even "1" is some day. */
const timeOf = (text: string): string | undefined => {
  const time = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)$/.test(text) ? Date.parse(text) : Number.NaN
  return Number.isNaN(time) ? undefined : new Date(time).toISOString()
}
