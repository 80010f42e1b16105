import { type Arbitrary, array, asyncProperty, assert as check, constant, constantFrom, integer, nat, oneof, record } from 'fast-check'
import { expect, test } from 'vitest'
import { isFailure } from '../../../messages/grammar/index.ts'
import { doom } from '../../../runtime/keeping/doom.ts'
import type { Keeping } from '../../../runtime/keeping/keeping.ts'
import { lifetimes, unneeded } from '../../../runtime/keeping/mark.ts'
import { openView } from '../../../runtime/keeping/view.ts'
import { type KeptThings, openKept, thing } from '../../support/keeping.ts'
import { bounded } from '../../support/properties.ts'

const graceMs = 1000
const timeout = process.env['GANTRY_TEST_RUNS'] === undefined ? 120_000 : 0
const names = Array.from({ length: 7 }, (_, at) => `content/${at}`)
const leases = ['a', 'b', 'c']

interface Made {
  refs: string[]
  labelled: string[]
  root: boolean
  until: number
}

/** What is kept, told naively: by going from every root, every time. */
interface Model {
  time: number
  made: Map<string, Made>
  leases: Map<string, { expiresAt: number; holds: Set<string> }>
}

function needed({ time, made, leases }: Model): Set<string> {
  const reached = new Set<string>()
  const reach = (name: string): void => {
    const one = made.get(name)
    if (!one || reached.has(name)) return
    reached.add(name)
    for (const ref of [...one.refs, ...one.labelled]) reach(ref)
  }
  for (const [name, { root, until }] of made) if (root || until > time) reach(name)
  for (const { expiresAt, holds } of leases.values()) if (expiresAt > time) for (const name of holds) reach(name)
  return reached
}

const name = constantFrom(...names)
const lease = constantFrom(...leases)
const refs = array(name, { maxLength: 3 })
const step = oneof(
  record({ do: constant('keep' as const), name, refs, lease: oneof(lease, constant(undefined)), root: nat(4).map((one) => one === 0) }),
  record({ do: constant('describe' as const), name, refs }),
  record({ do: constant('label' as const), name, refs }),
  record({ do: constant('hold' as const), name, lease: oneof(lease, constant(undefined)) }),
  record({ do: constant('drop' as const), name, lease }),
  record({ do: constant('gone' as const), name }),
  record({ do: constant('begin' as const), lease, forMs: integer({ min: 1, max: 3000 }) }),
  record({ do: constant('end' as const), lease }),
  record({ do: constant('pass' as const), ms: integer({ min: 1, max: 2000 }) }),
)
type Step = typeof step extends Arbitrary<infer S> ? S : never

const labelsOf = (refs: readonly string[]) => Object.fromEntries(refs.map((ref, at) => [`gantry.gc.ref.content.${at}`, thing(ref).key]))

/** Do one step to the model; whether it is one that is refused. */
function model(state: Model, one: Step): boolean {
  const { made, leases, time } = state
  const live = (id: string) => {
    const found = leases.get(id)
    return found && found.expiresAt > time ? found : undefined
  }
  const hold = (row: Made, held: string, by: string | undefined) => {
    if (by === undefined) row.until = Math.max(row.until, time + graceMs)
    else live(by)?.holds.add(held)
  }
  switch (one.do) {
    case 'keep': {
      if (one.lease !== undefined && !live(one.lease)) return true
      const row = made.get(one.name) ?? { refs: [], labelled: [], root: false, until: 0 }
      made.set(one.name, Object.assign(row, { refs: one.refs, root: one.root }))
      hold(row, one.name, one.lease)
      return false
    }
    case 'describe':
    case 'label': {
      const row = made.get(one.name)
      if (row) row[one.do === 'label' ? 'labelled' : 'refs'] = one.refs
      return false
    }
    case 'hold': {
      const row = made.get(one.name)
      if (row && one.lease !== undefined && !live(one.lease)) return true
      if (row) hold(row, one.name, one.lease)
      return false
    }
    case 'drop':
      leases.get(one.lease)?.holds.delete(one.name)
      return false
    case 'gone':
      made.delete(one.name)
      return false
    case 'begin': {
      const found = leases.get(one.lease)
      if (found && !live(one.lease)) return true
      leases.set(one.lease, { expiresAt: time + one.forMs, holds: found?.holds ?? new Set() })
      return false
    }
    case 'end':
      leases.delete(one.lease)
      return false
    case 'pass':
      state.time += one.ms
      return false
  }
}

/** Do one step to what is really kept, inside a transaction. */
function real(kept: KeptThings, keeping: Keeping, one: Step): unknown {
  switch (one.do) {
    case 'keep':
      return keeping.keep(thing(one.name), { refs: one.refs.map(thing), root: one.root, lease: one.lease })
    case 'describe':
      return keeping.describe(thing(one.name), { refs: one.refs.map(thing) })
    case 'label':
      return keeping.describe(thing(one.name), { labels: labelsOf(one.refs) })
    case 'hold':
      return keeping.hold(thing(one.name), one.lease)
    case 'drop':
      return kept.leases.drop(one.lease, thing(one.name))
    case 'gone':
      return keeping.gone(thing(one.name))
    case 'begin':
      return kept.leases.begin(one.lease, new Date(Date.parse(kept.now()) + one.forMs).toISOString())
    case 'end':
      return kept.leases.end(one.lease)
    case 'pass':
      return kept.pass(one.ms)
  }
}

/** Do steps to both, which refuse the same; all in one transaction, to be quick: what is refused has written nothing. */
const both = (kept: KeptThings, state: Model, steps: readonly Step[]): Promise<void> =>
  kept.write((keeping) => {
    for (const one of steps)
      expect(
        isRefused(() => real(kept, keeping, one)),
        JSON.stringify(one),
      ).toBe(model(state, one))
  })

function isRefused(work: () => unknown): boolean {
  try {
    work()
    return false
  } catch (error) {
    if (!isFailure(error, 'not_found', 'failed_precondition')) throw error
    return true
  }
}

/** Nothing is there, and nothing is left of it in the end. */
const begin = (kept: KeptThings): { state: Model } & AsyncDisposable => ({
  state: { time: Date.parse(kept.now()), made: new Map(), leases: new Map() },
  [Symbol.asyncDispose]: () => clear(kept),
})

test('what is marked is what a naive walk from the roots finds, and waves go from referrer to referred', { timeout }, async () => {
  await using kept = await openKept({ graceMs })
  await check(
    asyncProperty(array(step, { maxLength: 30 }), async (steps) => {
      await using cleared = begin(kept)
      const { state } = cleared
      await both(kept, state, steps)
      {
        await using view = await openView(kept.tables, kept)
        const waves = await unneeded(view, await lifetimes(view), { at: kept.now() })
        const reached = needed(state)
        expect(waves.flat().toSorted()).toEqual([...state.made.keys()].filter((one) => !reached.has(one)).toSorted())
        const waveOf = new Map(waves.flatMap((wave, at) => wave.map((one) => [one, at])))
        for (const one of waves.flat()) {
          const { refs = [], labelled = [] } = state.made.get(one) ?? {}
          const at = waveOf.get(one) ?? 0
          if (at === waves.length - 1) continue
          for (const ref of [...refs, ...labelled]) if (ref !== one && waveOf.has(ref)) expect(waveOf.get(ref)).toBeGreaterThan(at)
        }
      }
    }),
    bounded({ runs: 100, ms: 60_000 }),
  )
})

test('whatever happens between view, doom and removal, nothing that is needed is let go of', { timeout }, async () => {
  await using kept = await openKept({ graceMs })
  const piece = array(step, { maxLength: 8 })
  await check(
    asyncProperty(array(step, { maxLength: 20 }), piece, piece, piece, async (before, duringView, duringDoom, after) => {
      await using cleared = begin(kept)
      const { state } = cleared
      // Much is there, and most of it needed by nothing.
      const all = names.map((name): Step => ({ do: 'keep', name, refs: [], lease: undefined, root: false }))
      await both(kept, state, [...all, ...before, { do: 'pass', ms: graceMs }])
      {
        await using view = await openView(kept.tables, kept)
        const waves = await unneeded(view, await lifetimes(view), { at: kept.now() })
        await both(kept, state, duringView)
        const half = Math.floor(waves.length / 2)
        const first = await doom(kept.tables, view, waves.slice(0, half).flat())
        await both(kept, state, duringDoom)
        const second = await doom(kept.tables, view, waves.slice(half).flat())
        await both(kept, state, after)
        const reached = needed(state)
        const doomed = [...first.doomed, ...second.doomed].filter((one) => reached.has(one))
        expect(await kept.write((keeping) => doomed.filter((one) => !isRefused(() => keeping.demandUnheld(thing(one)))))).toEqual([])
      }
    }),
    bounded({ runs: 100, ms: 60_000 }),
  )
})

const clear = (kept: KeptThings) =>
  kept.write((keeping) => {
    for (const one of names) keeping.gone(thing(one))
    for (const one of leases) kept.leases.end(one)
  })
