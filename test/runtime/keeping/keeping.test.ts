import { expect, test } from 'vitest'
import { doom } from '../../../runtime/keeping/doom.ts'
import { lifetimes, nextEnd, shortestPath, unneeded } from '../../../runtime/keeping/mark.ts'
import { openView } from '../../../runtime/keeping/view.ts'
import type { Table, Tables } from '../../../runtime/tables.ts'
import { type KeptThings, openKept, thing } from '../../support/keeping.ts'

const day = 86_400_000

/** Names of what nothing needs now, in the order in which it would go. */
async function lost(kept: KeptThings, at = kept.now()): Promise<string[]> {
  await using view = await openView(kept.tables, kept)
  return (await unneeded(view, await lifetimes(view), { at })).flat()
}

test('roots are what unexpired leases hold, images, containers, what is written, what is labelled so, and what is new', async () => {
  await using kept = await openKept({ graceMs: day })
  await kept.write((keeping) => {
    kept.leases.begin('long', '2027-01-01T00:00:00.000Z')
    kept.leases.begin('short', '2026-01-01T12:00:00.000Z')
    kept.leases.begin('ever', undefined)
    keeping.keep(thing('content/long'), { lease: 'long' })
    keeping.keep(thing('content/short'), { lease: 'short' })
    keeping.keep(thing('content/ever'), { lease: 'ever' })
    keeping.keep(thing('content/both'), { lease: 'short' })
    keeping.hold(thing('content/both'), 'long')
    keeping.keep(thing('content/new'))
    keeping.keep(thing('image/a'), { root: true, lease: 'short' })
    keeping.keep(thing('container/a'), { root: true, lease: 'short' })
    keeping.keep(thing('ingest/written'), { root: true, lease: 'short' })
    keeping.keep(thing('ingest/left'), { root: false, lease: 'short' })
    keeping.keep(thing('content/root'), { lease: 'short', labels: { 'gantry.gc.root': '' } })
    keeping.keep(thing('content/root-until'), { lease: 'short', labels: { 'gantry.gc.root': '2026-06-01T02:00:00+02:00' } })
  })
  expect(await lost(kept)).toEqual([])
  expect((await lost(kept, '2026-01-01T12:00:00.000Z')).toSorted()).toEqual(['content/short', 'ingest/left'])
  expect((await lost(kept, '2026-01-02T00:00:00.000Z')).toSorted()).toEqual(['content/new', 'content/short', 'ingest/left'])
  expect(await lost(kept, '2026-05-31T23:59:59.999Z')).not.toContain('content/root-until')
  expect(await lost(kept, '2026-06-01T00:00:00.000Z')).toContain('content/root-until')
  expect(await lost(kept, '2999-01-01T00:00:00.000Z')).toHaveLength(6)
})

test('an image is no root from the time its label gives, a container stays one, and a lease holds either', async () => {
  await using kept = await openKept({ graceMs: day })
  const labels = { 'gantry.gc.expire': '2026-01-01T00:00:00.000Z' }
  await kept.write((keeping) => {
    kept.leases.begin('mine', '2026-01-01T12:00:00.000Z')
    keeping.keep(thing('image/a'), { root: true, labels })
    keeping.keep(thing('image/b'), { root: true, labels: { 'gantry.gc.expire': 'some day' } })
    keeping.keep(thing('image/c'), { root: true, labels, lease: 'mine' })
    keeping.keep(thing('container/a'), { root: true, labels })
  })
  expect(await lost(kept)).toEqual(['image/a'])
  expect(await lost(kept, '2026-01-01T12:00:00.000Z')).toEqual(['image/a', 'image/c'])
})

test.for(['1', 'yes', '2025', '2025-01-01', '2025-13-01T00:00:00Z', 'Wed, 01 Jan 2025 00:00:00 GMT'])(
  'what is no time of RFC 3339 makes a root for ever and ends nothing: %s',
  async (text) => {
    await using kept = await openKept()
    await kept.write((keeping) => {
      keeping.keep(thing('content/a'), { labels: { 'gantry.gc.root': text } })
      keeping.keep(thing('image/a'), { root: true, labels: { 'gantry.gc.expire': text } })
    })
    expect(await lost(kept)).toEqual([])
  },
)

test.for([
  ['gantry.gc.ref.content', true],
  ['gantry.gc.ref.content.', true],
  ['gantry.gc.ref.content.l.0', true],
  ['gantry.gc.ref.content/l.0', false],
  ['gantry.gc.ref.contentbad', false],
  ['gantry.gc.ref.content-0', false],
  ['gantry.gc.ref.snapshot', false],
  ['gantry.gc.ref', false],
  ['gantry.gc.ref.', false],
  ['Gantry.gc.ref.content', false],
  ['example.org/gantry.gc.ref.content', false],
] as const)('the label %s refers to content: %s', async ([label, refers]) => {
  await using kept = await openKept()
  await kept.write((keeping) => {
    keeping.keep(thing('content/a'))
    keeping.keep(thing('image/a'), { root: true, labels: { [label]: 'a' } })
  })
  expect(await lost(kept)).toEqual(refers ? [] : ['content/a'])
})

test('a label refers to a snapshot by its driver and key, whatever follows its kind', async () => {
  await using kept = await openKept()
  await kept.write((keeping) => {
    keeping.keep(thing('snapshot/overlay/base'))
    keeping.keep(thing('snapshot/overlay/top'), { refs: [thing('snapshot/overlay/base')] })
    keeping.keep(thing('image/a'), { root: true, labels: { 'gantry.gc.ref.snapshot.overlay': 'overlay/top' } })
  })
  expect(await lost(kept)).toEqual([])
})

test('references to what is not there count for nothing, until it is', async () => {
  await using kept = await openKept()
  await kept.write((keeping) => {
    keeping.keep(thing('image/a'), { root: true, refs: [thing('content/a')], labels: { 'gantry.gc.ref.nonsense': 'x' } })
    keeping.keep(thing('image/b'), { root: true, refs: [] })
  })
  expect(await lost(kept)).toEqual([])
  await kept.write((keeping) => keeping.keep(thing('content/a')))
  expect(await lost(kept)).toEqual([])
})

test('what a thing is said to be anew takes the place of what was said, and what is left out stays', async () => {
  await using kept = await openKept()
  await kept.write((keeping) => {
    for (const key of ['a', 'b', 'c']) keeping.keep(thing(`content/${key}`))
    keeping.keep(thing('image/a'), { root: true, refs: [thing('content/a')], labels: { 'gantry.gc.ref.content': 'b' } })
  })
  expect(await lost(kept)).toEqual(['content/c'])
  await kept.write((keeping) => keeping.describe(thing('image/a'), { labels: { 'gantry.gc.ref.content': 'c' } }))
  expect(await lost(kept)).toEqual(['content/b'])
  await kept.write((keeping) => keeping.describe(thing('image/a'), { refs: [] }))
  expect(await lost(kept)).toEqual(['content/a', 'content/b'])
})

test('the next end is when the first thing is needed no more, not when a root of what has another ends', async () => {
  await using kept = await openKept({ graceMs: day })
  await kept.write((keeping) => {
    kept.leases.begin('long', '2027-01-01T00:00:00.000Z')
    keeping.keep(thing('content/a'))
    keeping.keep(thing('image/a'), { root: true, refs: [thing('content/a')] })
    keeping.keep(thing('content/b'), { lease: 'long' })
  })
  await using view = await openView(kept.tables, kept)
  const lives = await lifetimes(view)
  expect(nextEnd(lives, kept.now())).toBe('2027-01-01T00:00:00.000Z')
  expect(nextEnd(lives, '2027-01-01T00:00:00.000Z')).toBeUndefined()
})

test('of several ways from a root the shortest is told', async () => {
  await using kept = await openKept()
  await kept.write((keeping) => {
    keeping.keep(thing('snapshot/o/a'))
    keeping.keep(thing('snapshot/o/b'), { refs: [thing('snapshot/o/a')] })
    keeping.keep(thing('snapshot/o/c'), { refs: [thing('snapshot/o/b')] })
    keeping.keep(thing('container/far'), { root: true, refs: [thing('snapshot/o/c')] })
    keeping.keep(thing('container/near'), { root: true, refs: [thing('snapshot/o/b')] })
  })
  await using view = await openView(kept.tables, kept)
  const at = kept.now()
  expect(await shortestPath(view, 'snapshot/o/a', { at })).toEqual(['container/near', 'snapshot/o/b', 'snapshot/o/a'])
  expect(await shortestPath(view, 'container/far', { at })).toEqual(['container/far'])
  expect(await shortestPath(view, 'snapshot/o/none', { at })).toBeUndefined()
})

test('holding again never shortens', async () => {
  await using kept = await openKept({ graceMs: day })
  await kept.write((keeping) => keeping.keep(thing('content/a')))
  kept.pass(-day / 2)
  await kept.write((keeping) => keeping.hold(thing('content/a'), undefined))
  expect(await lost(kept, '2026-01-01T23:59:59.999Z')).toEqual([])
})

test('a lease that is not there, or has expired, holds nothing more, and is not begun again', async () => {
  await using kept = await openKept()
  await kept.write(() => kept.leases.begin('mine', '2026-01-02T00:00:00.000Z'))
  kept.pass(day)
  const keep = (lease: string) => kept.write((keeping) => keeping.keep(thing('content/a'), { lease }))
  await expect(keep('none')).rejects.toMatchObject({ code: 'not_found' })
  await expect(keep('mine')).rejects.toMatchObject({ code: 'not_found' })
  await expect(kept.write(() => kept.leases.begin('mine', undefined))).rejects.toMatchObject({ code: 'not_found' })
  expect(kept.there()).toEqual([])
})

/** Doom all that nothing needs, then do `work`; answers what is still doomed. */
async function doomedAfter(kept: KeptThings, work: () => unknown): Promise<string[]> {
  await using view = await openView(kept.tables, kept)
  const names = (await unneeded(view, await lifetimes(view), { at: kept.now() })).flat()
  await doom(kept.tables, view, names)
  await work()
  return await kept.write((keeping) => names.filter((name) => isUnheld(() => keeping.demandUnheld(thing(name)))))
}

function isUnheld(demand: () => void): boolean {
  try {
    demand()
    return true
  } catch {
    return false
  }
}

test.for<[string, (kept: KeptThings) => unknown, string[]]>([
  ['nothing', () => {}, ['snapshot/o/top', 'snapshot/o/base']],
  ['holding', ({ write }) => write((keeping) => keeping.hold(thing('snapshot/o/top'), undefined)), []],
  ['making it again', ({ write }) => write((keeping) => keeping.keep(thing('snapshot/o/base'))), ['snapshot/o/top']],
  ['a reference', ({ write }) => write((keeping) => keeping.keep(thing('image/a'), { refs: [thing('snapshot/o/top')] })), []],
  [
    'a label of something kept',
    ({ write }) => write((keeping) => keeping.describe(thing('container/a'), { labels: { 'gantry.gc.ref.snapshot': 'o/base' } })),
    ['snapshot/o/top'],
  ],
  [
    'a label of its own',
    ({ write }) => write((keeping) => keeping.describe(thing('snapshot/o/top'), { labels: { 'gantry.gc.root': 'yes' } })),
    [],
  ],
  [
    'another label',
    ({ write }) => write((keeping) => keeping.describe(thing('snapshot/o/top'), { labels: { a: 'b' } })),
    ['snapshot/o/top', 'snapshot/o/base'],
  ],
])('what is doomed is saved, with all it refers to, by %s', async ([, work, left]) => {
  await using kept = await openKept()
  await kept.write((keeping) => {
    keeping.keep(thing('container/a'), { root: true })
    keeping.keep(thing('snapshot/o/base'))
    keeping.keep(thing('snapshot/o/top'), { refs: [thing('snapshot/o/base')] })
    kept.pass(1)
  })
  expect(await doomedAfter(kept, () => work(kept))).toEqual(left)
})

test('what changes between the view and the doom is spared', async () => {
  await using kept = await openKept()
  await kept.write((keeping) => {
    keeping.keep(thing('content/a'))
    keeping.keep(thing('content/b'))
    keeping.keep(thing('container/a'), { root: true })
  })
  await using view = await openView(kept.tables, kept)
  await kept.write((keeping) => keeping.describe(thing('container/a'), { refs: [thing('content/a')] }))
  expect(await doom(kept.tables, view, ['content/a', 'content/b'])).toEqual({ doomed: new Set(['content/b']), spared: 1 })
})

test.for<[string, boolean]>([
  ['was spared stays', false],
  ['was doomed and saved stays', true],
])('what %s, and what it refers to with it, though what did that is gone before the rest is doomed', async ([, saved]) => {
  await using kept = await openKept()
  const [by, referrer, referred] = [thing('content/by'), thing('content/referrer'), thing('content/referred')]
  await kept.write((keeping) => {
    keeping.keep(referrer, { refs: [referred] })
    keeping.keep(referred)
  })
  await using view = await openView(kept.tables, kept)
  const refer = () => kept.write((keeping) => keeping.keep(by, { refs: [referrer] }))
  if (!saved) await refer()
  await doom(kept.tables, view, ['content/referrer'])
  if (saved) await refer()
  await kept.write((keeping) => keeping.gone(by))
  expect(await doom(kept.tables, view, ['content/referred'])).toEqual({ doomed: new Set(), spared: 1 })
})

test('a reference that moves from what is still to be read to what was read is not lost', async () => {
  await using kept = await openKept()
  await kept.write((keeping) => {
    keeping.keep(thing('content/a'))
    keeping.keep(thing('image/first'), { root: true })
    keeping.keep(thing('image/last'), { root: true, refs: [thing('content/a')] })
  })
  const move = () =>
    kept.write((keeping) => {
      keeping.describe(thing('image/first'), { refs: [thing('content/a')] })
      keeping.describe(thing('image/last'), { refs: [] })
    })
  await using view = await openView(moving(kept.tables, { after: 'image/first', move }), kept)
  expect(await unneeded(view, await lifetimes(view), { at: kept.now() })).toEqual([])
})

/** Tables of which all things are read as if in the middle, once one was read, something had moved; it really moves before anything is written after that. */
function moving(tables: Tables, { after, move }: { after: string; move: () => Promise<unknown> }): Tables {
  let due: Promise<unknown> | undefined
  const table = <V>(name: string): Table<V> => {
    const real = tables.table<V>(name)
    return {
      ...real,
      *range(options) {
        const all = [...real.range(options)]
        const read = all.filter(({ key }) => name !== 'thing' || key <= after)
        yield* read
        if (read.length === all.length) return
        due = move()
        for (const { key } of all.slice(read.length)) yield { key, value: { refs: [], labelled: [], root: true } as V }
      },
    }
  }
  return {
    ...tables,
    table,
    async transaction(work) {
      await due
      return await tables.transaction(work)
    },
  }
}

test('notes are kept only while somebody reads', async () => {
  await using kept = await openKept()
  const notes = () => Array.from(kept.tables.table('keeping.notes').range(), ({ key }) => key.slice(key.indexOf('/') + 1))
  {
    await using one = await openView(kept.tables, kept)
    await kept.write((keeping) => keeping.keep(thing('content/a')))
    await using two = await openView(kept.tables, kept)
    await kept.write((keeping) => keeping.keep(thing('content/b')))
    expect([...one.changed()]).toEqual(['content/a', 'content/b'])
    expect([...two.changed()]).toEqual(['content/b'])
  }
  expect(notes()).toEqual([])
  await kept.write((keeping) => keeping.keep(thing('content/c')))
  expect(notes()).toEqual([])
})

test('gives up when told to', async () => {
  await using kept = await openKept()
  const signal = AbortSignal.abort()
  await expect(openView(kept.tables, { now: kept.now, signal })).rejects.toThrow('aborted')
  expect(Array.from(kept.tables.table('keeping.readers').range())).toEqual([])
})
