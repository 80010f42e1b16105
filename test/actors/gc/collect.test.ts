import { expect, test } from 'vitest'
import { collect } from '../../../actors/gc/collect.ts'
import { Failure } from '../../../messages/grammar/index.ts'
import { type KeptThings, openKept, thing } from '../../support/keeping.ts'

const signal = new AbortController().signal
const run = (kept: KeptThings, owners = kept.owners) => collect({ tables: kept.tables, owners, now: kept.now }, { signal })

test('of blobs, snapshots, ingests and images exactly those go that nothing needs', async () => {
  await using kept = await openKept()
  await kept.write((keeping) => {
    kept.leases.begin('mine', '2026-01-02T00:00:00.000Z')
    for (const key of ['config', 'layer', 'old', 'held']) keeping.keep(thing(`content/${key}`), { size: 10 })
    keeping.keep(thing('image/redis'), { root: true, refs: [thing('content/config'), thing('content/layer')] })
    keeping.keep(thing('snapshot/overlay/base'))
    keeping.keep(thing('snapshot/overlay/top'), { refs: [thing('snapshot/overlay/base')] })
    keeping.keep(thing('snapshot/overlay/alone'))
    keeping.keep(thing('container/web'), { root: true, refs: [thing('snapshot/overlay/top')] })
    keeping.hold(thing('content/held'), 'mine')
    keeping.keep(thing('ingest/left'))
    keeping.keep(thing('ingest/written'), { root: true })
  })
  const ended = await run(kept)
  expect(kept.asked.toSorted()).toEqual(['content/old', 'ingest/left', 'snapshot/overlay/alone'])
  expect(ended).toEqual({ collected: 3, freed: 10, spared: 0, failed: [], next: '2026-01-02T00:00:00.000Z' })
  expect(kept.there()).toEqual([
    'container/web',
    'content/config',
    'content/held',
    'content/layer',
    'image/redis',
    'ingest/written',
    'snapshot/overlay/base',
    'snapshot/overlay/top',
  ])
})

test('of a chain of snapshots the leaves go first', async () => {
  await using kept = await openKept()
  const names = Array.from({ length: 130 }, (_, at) => `snapshot/overlay/${at}`)
  await kept.write((keeping) => {
    for (const [at, name] of names.entries()) keeping.keep(thing(name), { refs: at === 0 ? [] : [thing(names[at - 1] ?? '')] })
  })
  expect(await run(kept)).toMatchObject({ collected: 130, failed: [] })
  expect(kept.asked).toEqual(names.toReversed())
})

test('things that refer to each other in a ring go together', async () => {
  await using kept = await openKept()
  await kept.write((keeping) => {
    keeping.keep(thing('content/a'), { labels: { 'gantry.gc.ref.content': 'b' } })
    keeping.keep(thing('content/b'), { labels: { 'gantry.gc.ref.content': 'a', 'gantry.gc.ref.content.2': 'c' } })
    keeping.keep(thing('content/c'))
    keeping.keep(thing('content/self'), { labels: { 'gantry.gc.ref.content': 'self' } })
  })
  expect(await run(kept)).toMatchObject({ collected: 4 })
  expect(kept.there()).toEqual([])
})

test('what comes to be held after it was doomed is spared, and what it refers to', async () => {
  await using kept = await openKept({
    async before(name) {
      if (name !== 'snapshot/overlay/top') return
      await kept.write((keeping) => {
        kept.leases.begin('late', undefined)
        expect(keeping.hold(thing('snapshot/overlay/top'), 'late')).toBe(true)
      })
    },
  })
  await kept.write((keeping) => {
    keeping.keep(thing('content/blob'))
    keeping.keep(thing('snapshot/overlay/base'), { labels: { 'gantry.gc.ref.content': 'blob' } })
    keeping.keep(thing('snapshot/overlay/top'), { refs: [thing('snapshot/overlay/base')] })
  })
  expect(await run(kept)).toMatchObject({ collected: 0, spared: 3, failed: [] })
  expect(kept.there()).toHaveLength(3)
})

test('what something new refers to after it was doomed is spared', async () => {
  await using kept = await openKept({
    async before(name) {
      if (name === 'image/old')
        await kept.write((keeping) => keeping.keep(thing('image/new'), { root: true, refs: [thing('content/blob')] }))
    },
  })
  await kept.write((keeping) => {
    keeping.keep(thing('content/blob'))
    keeping.keep(thing('content/other'))
    keeping.keep(thing('image/old'), {
      root: true,
      refs: [thing('content/blob'), thing('content/other')],
      labels: { 'gantry.gc.expire': '2025-12-31T00:00:00Z' },
    })
  })
  expect(await run(kept)).toMatchObject({ collected: 2, spared: 1 })
  expect(kept.there()).toEqual(['content/blob', 'image/new'])
})

test('what an owner does not know is taken off the list', async () => {
  await using kept = await openKept()
  await kept.write((keeping) => keeping.keep(thing('content/blob')))
  const owners = { content: () => Promise.reject(new Failure('not_found', 'remove blob: it is not there')) }
  expect(await run(kept, owners)).toMatchObject({ collected: 0, failed: [] })
  expect(kept.there()).toEqual([])
})

test('what an owner does not know, but is made again before that is written down, stays', async () => {
  await using kept = await openKept()
  await kept.write((keeping) => keeping.keep(thing('content/blob')))
  const owners = {
    async content() {
      await kept.write((keeping) => keeping.keep(thing('content/blob')))
      throw new Failure('not_found', 'remove blob: it is not there')
    },
  }
  await run(kept, owners)
  expect(kept.there()).toEqual(['content/blob'])
})

test('what cannot be taken away is named, what it refers to stays, and the next run tries again', async () => {
  await using kept = await openKept()
  await kept.write((keeping) => {
    keeping.keep(thing('content/blob'))
    keeping.keep(thing('snapshot/overlay/base'), { labels: { 'gantry.gc.ref.content': 'blob' } })
    keeping.keep(thing('snapshot/overlay/top'), { refs: [thing('snapshot/overlay/base')] })
  })
  const busy = { ...kept.owners, snapshot: () => Promise.reject(new Failure('unavailable', 'remove top: it is mounted')) }
  expect(await run(kept, busy)).toMatchObject({
    collected: 0,
    failed: [
      { kind: 'snapshot', key: 'overlay/top', why: 'remove top: it is mounted' },
      { kind: 'snapshot', key: 'overlay/base', why: 'snapshot/overlay/top refers to it and could not be collected' },
      { kind: 'content', key: 'blob', why: 'snapshot/overlay/base refers to it and could not be collected' },
    ],
  })
  expect(await run(kept)).toMatchObject({ collected: 3, failed: [] })
})

test('more than is doomed at once goes all the same, what refers before what is referred to', async () => {
  await using kept = await openKept()
  await kept.write((keeping) => {
    for (let at = 0; at < 1200; at++) {
      keeping.keep(thing(`snapshot/overlay/${at}`))
      keeping.keep(thing(`content/${at}`), { labels: { 'gantry.gc.ref.snapshot': `overlay/${at}` } })
    }
  })
  expect(await run(kept)).toMatchObject({ collected: 2400 })
  expect(kept.asked.findLastIndex((name) => name.startsWith('content/'))).toBeLessThan(
    kept.asked.findIndex((name) => name.startsWith('snapshot/')),
  )
})

test('nothing is collected of which nothing was written down', async () => {
  await using kept = await openKept()
  await kept.write((keeping) => keeping.keep(thing('image/old'), { root: true, refs: [thing('content/from-before')] }))
  await kept.write((keeping) => keeping.gone(thing('image/old')))
  expect(await run(kept)).toMatchObject({ collected: 0 })
  expect(kept.asked).toEqual([])
})

test('gives up when told to, and the next run does what was left', async () => {
  const stop = new AbortController()
  await using kept = await openKept({ before: (name) => (name === 'snapshot/overlay/top' ? stop.abort() : undefined) })
  await kept.write((keeping) => {
    keeping.keep(thing('snapshot/overlay/base'))
    keeping.keep(thing('snapshot/overlay/top'), { refs: [thing('snapshot/overlay/base')] })
  })
  await expect(collect({ tables: kept.tables, owners: kept.owners, now: kept.now }, { signal: stop.signal })).rejects.toThrow('aborted')
  expect(kept.there()).toEqual(['snapshot/overlay/base'])
  expect(await run(kept)).toMatchObject({ collected: 1 })
  await expect(collect({ tables: kept.tables, owners: kept.owners, now: kept.now }, { signal: AbortSignal.abort() })).rejects.toThrow(
    'aborted',
  )
})
