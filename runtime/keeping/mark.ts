/**
 * Marking: what is kept, for how long, and by what. All of it over a view, in memory; references to what is not there count for nothing.
 */
import { type Breathe, breather } from './pieces.ts'
import { forever, type Row, refsOf, rootUntil } from './things.ts'
import type { View } from './view.ts'

/** What marking looks at. */
export type Seen = Pick<View, 'rows' | 'leases' | 'held'>

interface Options {
  readonly signal?: AbortSignal | undefined
}

/** Names of things, and until when each is kept if nothing changes: a time, or {@link forever}. One without is needed by nothing. */
export type Lifetimes = ReadonlyMap<string, string>

/**
 * Until when each thing is kept: as long as the root that lasts longest of all that reach it. Those that last longest are followed first, so each thing is come to once.
 */
export async function lifetimes(seen: Seen, options: Options = {}): Promise<Lifetimes> {
  const breathe = breather(options)
  const found = new Map<string, string>()
  const roots = await rootsByTime(seen, breathe)
  for (const until of [...roots.keys()].toSorted().toReversed()) {
    const due = roots.get(until) ?? []
    for (let name = due.pop(); name !== undefined; name = due.pop()) {
      const row = found.has(name) ? undefined : seen.rows.get(name)
      if (!row) continue
      found.set(name, until)
      due.push(...refsOf(row))
      const rest = breathe()
      if (rest) await rest
    }
  }
  return found
}

async function rootsByTime({ rows, leases, held }: Seen, breathe: Breathe): Promise<Map<string, string[]>> {
  const roots = new Map<string, string[]>()
  const add = (name: string, until: string) => {
    const names = roots.get(until)
    if (names) names.push(name)
    else if (until !== '') roots.set(until, [name])
  }
  for (const [name, row] of rows) {
    add(name, rootUntil(name, row))
    const rest = breathe()
    if (rest) await rest
  }
  for (const [name, ids] of held) for (const id of ids) add(name, leaseUntil(leases, id))
  return roots
}

const leaseUntil = (leases: Seen['leases'], id: string): string => {
  const lease = leases.get(id)
  return lease ? (lease.expiresAt ?? forever) : ''
}

/** The next time at which something that is kept now is not any more, if nothing changes. */
export function nextEnd(lives: Lifetimes, at: string): string | undefined {
  let next = forever
  for (const until of lives.values()) if (until > at && until < next) next = until
  return next === forever ? undefined : next
}

/**
 * Names of what is not needed at a time, in waves: what is in one is referred to only from those before. The last one may be of things that refer to each other in a ring, and
 * what hangs on them.
 */
export async function unneeded({ rows }: Seen, lives: Lifetimes, { at, signal }: Options & { at: string }): Promise<string[][]> {
  const breathe = breather({ signal })
  const left = new Map<string, number>()
  for (const name of rows.keys()) if ((lives.get(name) ?? '') <= at) left.set(name, 0)
  for (const name of left.keys()) {
    for (const ref of distinct(rows.get(name), name)) if (left.has(ref)) left.set(ref, (left.get(ref) ?? 0) + 1)
    const rest = breathe()
    if (rest) await rest
  }
  const waves: string[][] = []
  let wave = [...left].flatMap(([name, referrers]) => (referrers === 0 ? [name] : []))
  while (wave.length > 0) {
    waves.push(wave)
    const next: string[] = []
    for (const name of wave) {
      left.delete(name)
      for (const ref of distinct(rows.get(name), name)) {
        const referrers = left.get(ref)
        if (referrers === undefined) continue
        left.set(ref, referrers - 1)
        if (referrers === 1) next.push(ref)
      }
      const rest = breathe()
      if (rest) await rest
    }
    wave = next
  }
  return left.size > 0 ? [...waves, [...left.keys()]] : waves
}

/** Names of what a thing refers to beside itself, each once. */
const distinct = (row: Row | undefined, name: string): Iterable<string> => {
  const refs = row ? refsOf(row) : []
  return refs.length === 0 ? refs : new Set(refs.filter((ref) => ref !== name))
}

/** The names on the shortest way from something that is kept for itself at a time to a thing, both included; undefined when there is none. */
export async function shortestPath(seen: Seen, to: string, { at, signal }: Options & { at: string }): Promise<string[] | undefined> {
  const breathe = breather({ signal })
  const from = new Map<string, string | undefined>()
  for (const [until, names] of await rootsByTime(seen, breathe))
    if (until > at) for (const name of names) if (seen.rows.has(name)) from.set(name, undefined)
  // A map is walked in the order in which it was filled: nearest to a root first.
  for (const [name] of from) {
    if (name === to) return wayTo(name, from)
    const row = seen.rows.get(name)
    for (const ref of row ? refsOf(row) : []) if (seen.rows.has(ref) && !from.has(ref)) from.set(ref, name)
    const rest = breathe()
    if (rest) await rest
  }
  return undefined
}

function wayTo(name: string, from: ReadonlyMap<string, string | undefined>): string[] {
  const way = [name]
  for (let before = from.get(name); before !== undefined; before = from.get(before)) way.unshift(before)
  return way
}
