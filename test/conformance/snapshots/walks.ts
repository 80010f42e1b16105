import { expect, test } from 'vitest'
import { failureOf, type SnapshotRoom } from '../../support/snapshots.ts'
import type { Open } from './open.ts'

/** Two committed ones, each with an active one and a view on it, and an active one on nothing. */
async function seven(open: Open): Promise<SnapshotRoom> {
  const room = await open()
  for (const n of [1, 2]) {
    await room.ask.prepare({ key: `to-be-c${n}` })
    await room.ask.commit({ key: `to-be-c${n}`, name: `c${n}`, labels: { kept: `${n}`, 'example.org/tag': 'base' } })
    await room.ask.prepare({ key: `a${n}`, parent: `c${n}`, labels: { owner: `${n}` } })
    await room.ask.view({ key: `v${n}`, parent: `c${n}` })
  }
  await room.ask.prepare({ key: 'alone' })
  return room
}

const all = ['a1', 'a2', 'alone', 'c1', 'c2', 'v1', 'v2']

/** Going through all of them, and what may be done meanwhile. */
export function walks(open: Open): void {
  test.for<[string, string[], string[]]>([
    ['no filter', [], all],
    ['a key', ['key==a1'], ['a1']],
    ['a name', ['key==c2'], ['c2']],
    ['names of a kind', ['key~=^[cv]1$'], ['c1', 'v1']],
    ['a parent', ['parent==c1'], ['a1', 'v1']],
    ['one of two parents', ['parent==c1', 'parent==c2'], ['a1', 'a2', 'v1', 'v2']],
    ['having a parent', ['parent'], ['a1', 'a2', 'v1', 'v2']],
    ['active ones', ['kind==active'], ['a1', 'a2', 'alone']],
    ['views', ['kind==view'], ['v1', 'v2']],
    ['committed ones', ['kind==committed'], ['c1', 'c2']],
    ['anything but views', ['kind!=view'], ['a1', 'a2', 'alone', 'c1', 'c2']],
    ['a kind and a parent', ['kind==view,parent==c2'], ['v2']],
    ['a label', ['labels.owner==2'], ['a2']],
    ['a label with dots and slashes in its name', ['labels."example.org/tag"==base'], ['c1', 'c2']],
    ['having a label', ['labels.kept'], ['c1', 'c2']],
    ['a label or a key', ['labels.kept==1', 'key==alone'], ['alone', 'c1']],
    ['what there is not', ['kind==active,labels.kept'], []],
  ])('a list is of all that pass: %s', async ([, filters, keys]) => {
    await using room = await seven(open)
    const { snapshots, more } = await room.ask.list({ filters })
    expect(snapshots.map(({ key }) => key)).toEqual(keys)
    expect(more).toBe(false)
  })

  test('a filter nobody understands is refused', async () => {
    await using room = await open()
    expect(await failureOf(room.ask.list({ filters: ['kind=='] }))).toMatchObject({ code: 'invalid_argument' })
  })

  test('what a list says is what stat says, asked in the middle of it', async () => {
    await using room = await seven(open)
    const { snapshots } = await room.ask.list({})
    expect(await Promise.all(snapshots.map(({ key }) => room.ask.stat({ key })))).toEqual(snapshots)
    const rest = await room.ask.list({ after: 'alone' })
    expect(rest.snapshots).toEqual(snapshots.slice(3))
  })

  test('going through them, each may be removed', async () => {
    await using room = await seven(open)
    const order = { view: 0, active: 1, committed: 2 }
    const { snapshots } = await room.ask.list({})
    for (const { key } of snapshots.toSorted((one, other) => order[one.kind] - order[other.kind])) {
      await room.ask.remove({ key })
      expect((await room.ask.list({})).snapshots.map((left) => left.key)).not.toContain(key)
    }
    expect(await room.ask.list({})).toEqual({ snapshots: [], more: false })
  })

  test('many may list, look and change at once', async () => {
    await using room = await seven(open)
    await Promise.all(
      all.flatMap((key) => [
        room.ask.list({}),
        room.ask.label({ key, labels: { seen: 'yes' } }),
        room.ask.stat({ key }),
        room.ask.usage({ key }),
      ]),
    )
    expect((await room.ask.list({ filters: ['labels.seen==yes'] })).snapshots.map(({ key }) => key)).toEqual(all)
  })

  test('where there is nothing, nothing is found', async () => {
    await using room = await open()
    expect(await room.ask.list({})).toEqual({ snapshots: [], more: false })
    const asked = [
      room.ask.stat({ key: 'x' }),
      room.ask.mounts({ key: 'x' }),
      room.ask.usage({ key: 'x' }),
      room.ask.label({ key: 'x', labels: {} }),
      room.ask.remove({ key: 'x' }),
      room.ask.commit({ key: 'x', name: 'y' }),
      room.ask.view({ key: 'x', parent: 'y' }),
      room.ask.prepare({ key: 'x', parent: 'y' }),
    ]
    for (const one of asked) expect(await failureOf(one)).toMatchObject({ code: 'not_found' })
  })
}
