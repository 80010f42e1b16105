import { Failure, isFailure } from '../../messages/grammar/index.ts'
import type { Thing } from '../../messages/words/index.ts'
import { doom, forget } from '../../runtime/keeping/doom.ts'
import { lifetimes, nextEnd, unneeded } from '../../runtime/keeping/mark.ts'
import { refsOf, thingOf } from '../../runtime/keeping/things.ts'
import { openView, type View } from '../../runtime/keeping/view.ts'
import { limit } from '../../runtime/limit.ts'
import type { Tables } from '../../runtime/tables.ts'
import type { Owners } from './owners.ts'

/** How a run ended. */
export interface Collected {
  readonly collected: number
  /** bytes, as far as known */
  readonly freed: number
  /** came to be needed while it ran */
  readonly spared: number
  readonly failed: readonly (Thing & { readonly why: string })[]
  /** when something more will be needed by nothing, if nothing changes */
  readonly next: string | undefined
}

export interface CollectComponents {
  readonly tables: Tables
  readonly owners: Owners
  /** now, RFC 3339 */
  readonly now: () => string
}

/** Things doomed in one transaction: others wait for it. */
const atOnce = 500
/** Things whose owners are asked at the same time. */
const beside = 8

/**
 * Collect what nothing needs: find it, doom it, and have its owners take it away, what refers before what is referred to. A run that is cut off, by whatever, leaves things that are
 * doomed and there: the next finds them again.
 *
 * Nothing is ever collected of which nothing was written down, as of blobs from before that was done.
 */
export async function collect({ tables, owners, now }: CollectComponents, { signal }: { signal: AbortSignal }): Promise<Collected> {
  const at = now()
  await using view = await openView(tables, { now, signal })
  const lives = await lifetimes(view, { signal })
  const waves = await unneeded(view, lives, { at, signal })
  const tally = { collected: 0, freed: 0, spared: 0, failed: [] as (Thing & { why: string })[] }
  const taking = taker({ tables, owners, view, tally })
  const room = limit(beside)
  for (const batch of batches(waves)) {
    const { doomed, spared } = await doom(tables, view, batch.flat())
    tally.spared += spared
    for (const wave of batch) {
      const due = wave.filter((name) => doomed.has(name))
      await Promise.all(due.map((name) => room(() => taking(name, { signal }), { signal })))
    }
  }
  return { ...tally, next: nextEnd(lives, at) }
}

/** Waves, cut and put together so that each batch has about so many. The last wave stays whole: what is in it may refer to each other. */
function batches(waves: readonly string[][]): string[][][] {
  const found: string[][][] = []
  let batch: string[][] = []
  let size = 0
  for (const [at, wave] of waves.entries()) {
    const step = at === waves.length - 1 ? Math.max(1, wave.length) : atOnce
    for (let from = 0; from < wave.length; from += step) {
      const piece = wave.slice(from, from + step)
      if (size > 0 && size + piece.length > atOnce) {
        found.push(batch)
        batch = []
        size = 0
      }
      batch.push(piece)
      size += piece.length
    }
  }
  return size > 0 ? [...found, batch] : found
}

interface Taking {
  readonly tables: Tables
  readonly owners: Owners
  readonly view: Pick<View, 'rows'>
  readonly tally: { collected: number; freed: number; spared: number; failed: (Thing & { why: string })[] }
}

/** Has one doomed thing taken away after another; what something refers to that could not be is left to the next run. */
function taker({ tables, owners, view, tally }: Taking): (name: string, options: { signal: AbortSignal }) => Promise<void> {
  /** names of what stays, and why */
  const staying = new Map<string, string | undefined>()
  const stays = (name: string, why: string | undefined) => {
    if (why === undefined) tally.spared += 1
    else tally.failed.push({ ...(thingOf(name) as Thing), why })
    const row = view.rows.get(name)
    const because = why === undefined ? undefined : `${name} refers to it and could not be collected`
    for (const ref of row ? refsOf(row) : []) staying.set(ref, because)
  }
  return async (name, options) => {
    const { kind, key } = thingOf(name)
    const owner = owners[kind]
    if (!owner) return
    if (staying.has(name)) return stays(name, staying.get(name))
    try {
      await owner(key, options)
      tally.collected += 1
      tally.freed += view.rows.get(name)?.size ?? 0
    } catch (error) {
      if (options.signal.aborted) throw error
      if (isFailure(error, 'not_found')) await forget(tables, name)
      else if (isFailure(error, 'failed_precondition')) stays(name, undefined)
      else stays(name, Failure.from(error).message)
    }
  }
}
