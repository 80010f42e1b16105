import { mkdir, readFile, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { fileTree, treeDifference } from '../../support/file-tree.ts'
import { failureOf } from '../../support/snapshots.ts'
import type { Open } from './open.ts'

/** Keys, names, kinds, parents, labels. */
export function names(open: Open): void {
  test('a life: prepared, written, committed, stood on; the key is gone and the name is there', async () => {
    await using room = await open()
    const prepared = await room.ask.prepare({ key: 'a' })
    await room.at(prepared.mounts, async (at) => {
      await writeFile(join(at, 'foo'), 'foo\n')
      await mkdir(join(at, 'a/b/c'), { recursive: true })
    })
    const committed = await room.ask.commit({ key: 'a', name: 'one' })
    expect(committed).toMatchObject({ key: 'one', kind: 'committed' })
    expect(await failureOf(room.ask.stat({ key: 'a' }))).toMatchObject({ code: 'not_found' })
    expect(await failureOf(room.ask.mounts({ key: 'one' }))).toMatchObject({ code: 'failed_precondition' })

    const next = await room.ask.prepare({ key: 'b', parent: 'one' })
    expect((await room.ask.mounts({ key: 'b' })).mounts).toEqual(next.mounts)
    const edited = await room.at(next.mounts, async (at) => {
      expect(await readFile(join(at, 'foo'), 'utf8')).toBe('foo\n')
      await writeFile(join(at, 'bar'), 'bar\n')
      await rm(join(at, 'a/b'), { recursive: true })
      return fileTree(at)
    })
    await room.ask.commit({ key: 'b', name: 'two' })
    expect(treeDifference(edited, await room.look('two', (at) => fileTree(at)))).toEqual([])

    const { snapshots } = await room.ask.list({})
    for (const info of snapshots) expect(await room.ask.stat({ key: info.key })).toEqual(info)
    expect(snapshots.map(({ key, parent }) => [key, parent])).toEqual([
      ['one', undefined],
      ['two', 'one'],
    ])
    expect(await failureOf(room.ask.remove({ key: 'one' }))).toMatchObject({ code: 'failed_precondition' })
    await room.ask.remove({ key: 'two' })
    await room.ask.remove({ key: 'one' })
    expect((await room.ask.list({})).snapshots).toEqual([])
  })

  test('what happens is told, each in its order', async () => {
    await using room = await open()
    const { driver } = await room.ask.prepare({ key: 'a' })
    await room.ask.commit({ key: 'a', name: 'one' })
    await room.ask.label({ key: 'one', labels: { x: '1' } })
    await room.ask.view({ key: 'v', parent: 'one' })
    await room.ask.remove({ key: 'v' })
    await failureOf(room.ask.prepare({ key: 'b', parent: 'none' }))
    expect(room.told.map(({ fact, entity, data }) => ({ fact, entity, data }))).toEqual([
      { fact: 'prepared', entity: 'a', data: { key: 'a', driver, kind: 'active' } },
      { fact: 'committed', entity: 'one', data: { key: 'a', name: 'one', driver } },
      { fact: 'updated', entity: 'one', data: { key: 'one', driver } },
      { fact: 'prepared', entity: 'v', data: { key: 'v', driver, kind: 'view', parent: 'one' } },
      { fact: 'removed', entity: 'v', data: { key: 'v', driver } },
    ])
  })

  test('stat says kind, parent, labels and times', async () => {
    await using room = await open()
    await room.ask.prepare({ key: 'a', labels: { x: '1' } })
    const active = await room.ask.stat({ key: 'a' })
    expect(active).toMatchObject({ key: 'a', kind: 'active', labels: { x: '1' }, durable: false })
    expect(active.parent).toBeUndefined()
    await room.ask.commit({ key: 'a', name: 'one', labels: { y: '2' } })
    const committed = await room.ask.stat({ key: 'one' })
    expect(committed).toMatchObject({ key: 'one', kind: 'committed', labels: { y: '2' }, createdAt: active.createdAt })
    await room.ask.view({ key: 'v', parent: 'one' })
    expect(await room.ask.stat({ key: 'v' })).toMatchObject({ kind: 'view', parent: 'one' })
  })

  test('a parent of a parent is found by going from one to the next', async () => {
    await using room = await open()
    await room.layer('one', undefined)
    await room.layer('two', 'one')
    await room.ask.prepare({ key: 'c', parent: 'two' })
    const { parent = '' } = await room.ask.stat({ key: 'c' })
    expect(parent).toBe('two')
    expect((await room.ask.stat({ key: parent })).parent).toBe('one')
  })

  test.for([
    ['prepare', 'prepare'],
    ['prepare', 'view'],
    ['view', 'prepare'],
    ['view', 'view'],
    ['commit', 'prepare'],
    ['commit', 'view'],
  ] as const)('a key is given once: %s, then %s', async ([first, second]) => {
    await using room = await open()
    await room.layer('one', undefined)
    if (first === 'commit') await room.layer('k', 'one')
    else await room.ask[first]({ key: 'k', parent: 'one' })
    expect(await failureOf(room.ask[second]({ key: 'k', parent: 'one' }))).toMatchObject({ code: 'already_exists' })
    expect(await failureOf(room.ask[second]({ key: 'one', parent: 'one' }))).toMatchObject({ code: 'already_exists' })
  })

  test('of two that ask for one key at once, one gets it', async () => {
    await using room = await open()
    const outcomes = await Promise.allSettled([
      room.ask.prepare({ key: 'k' }),
      room.ask.prepare({ key: 'k' }),
      room.ask.prepare({ key: 'k' }),
    ])
    expect(outcomes.filter(({ status }) => status === 'fulfilled')).toHaveLength(1)
    expect((await room.ask.list({})).snapshots).toHaveLength(1)
  })

  test('labels change, one by one, of that one alone; nothing else does', async () => {
    await using room = await open()
    for (const n of [1, 2]) {
      await room.layer(`c${n}`, undefined)
      await room.ask.prepare({ key: `a${n}`, parent: `c${n}`, labels: { a: '1', b: '2' } })
      await room.ask.view({ key: `v${n}`, parent: `c${n}`, labels: { b: '2' } })
    }
    for (const key of ['c1', 'a1', 'v1', 'c2', 'a2', 'v2']) {
      const others = (await room.ask.list({ filters: [`key!=${key}`] })).snapshots
      const before = await room.ask.stat({ key })
      const after = await room.ask.label({ key, labels: { b: '3', c: '4', a: '' } })
      expect(after).toEqual({ ...before, labels: { b: '3', c: '4' }, updatedAt: after.updatedAt })
      expect(await room.ask.stat({ key })).toEqual(after)
      expect((await room.ask.list({ filters: [`key!=${key}`] })).snapshots).toEqual(others)
    }
    expect(await failureOf(room.ask.label({ key: 'none', labels: {} }))).toMatchObject({ code: 'not_found' })
  })

  test('a commit gives labels of its own and inherits none', async () => {
    await using room = await open()
    for (const key of ['a', 'b']) await room.ask.prepare({ key, labels: { inherited: 'no' } })
    await room.ask.label({ key: 'a', labels: { later: 'no' } })
    expect((await room.ask.commit({ key: 'a', name: 'one' })).labels).toEqual({})
    expect((await room.ask.commit({ key: 'b', name: 'two', labels: { own: 'yes' } })).labels).toEqual({ own: 'yes' })
  })

  test('what cannot be is refused, and leaves all as it was', async () => {
    await using room = await open()
    await room.layer('one', undefined)
    await room.ask.prepare({ key: 'a', parent: 'one' })
    await room.ask.view({ key: 'v', parent: 'one' })
    const before = await room.ask.list({})
    const refused: [string, Promise<unknown>, string][] = [
      ['prepare on nothing', room.ask.prepare({ key: 'x', parent: 'none' }), 'not_found'],
      ['view of nothing', room.ask.view({ key: 'x', parent: 'none' }), 'not_found'],
      ['prepare on an active one', room.ask.prepare({ key: 'x', parent: 'a' }), 'failed_precondition'],
      ['prepare on a view', room.ask.prepare({ key: 'x', parent: 'v' }), 'failed_precondition'],
      ['view of an active one', room.ask.view({ key: 'x', parent: 'a' }), 'failed_precondition'],
      ['view of a view', room.ask.view({ key: 'x', parent: 'v' }), 'failed_precondition'],
      ['commit of nothing', room.ask.commit({ key: 'x', name: 'y' }), 'not_found'],
      ['commit of a view', room.ask.commit({ key: 'v', name: 'y' }), 'failed_precondition'],
      ['commit of a committed one', room.ask.commit({ key: 'one', name: 'y' }), 'failed_precondition'],
      ['commit under a name that is taken', room.ask.commit({ key: 'a', name: 'one' }), 'already_exists'],
      ['commit under a key that is taken', room.ask.commit({ key: 'a', name: 'v' }), 'already_exists'],
      ['commit under its own key', room.ask.commit({ key: 'a', name: 'a' }), 'already_exists'],
      ['removal of nothing', room.ask.remove({ key: 'x' }), 'not_found'],
      ['removal of a parent', room.ask.remove({ key: 'one' }), 'failed_precondition'],
      ['usage of nothing', room.ask.usage({ key: 'x' }), 'not_found'],
      ['labels of nothing', room.ask.label({ key: 'x', labels: {} }), 'not_found'],
      ['mounts of a committed one', room.ask.mounts({ key: 'one' }), 'failed_precondition'],
      ['mounts of nothing', room.ask.mounts({ key: 'x' }), 'not_found'],
      ['a driver nobody knows', room.ask.stat({ key: 'a', driver: 'x' }), 'unimplemented'],
      ['an empty key', room.ask.prepare({ key: '' }), 'invalid_argument'],
    ]
    for (const [what, attempt, code] of refused) {
      const failure = await failureOf(attempt)
      expect(failure, what).toMatchObject({ code })
      expect(failure.message).not.toMatch(/\n|^[A-Z]|\.$/)
    }
    expect(await room.ask.list({})).toEqual(before)
  })

  test('of two that commit under one name at once, one gets it and the other stays active', async () => {
    await using room = await open()
    await room.ask.prepare({ key: 'a' })
    await room.ask.prepare({ key: 'b' })
    const outcomes = await Promise.allSettled([room.ask.commit({ key: 'a', name: 'n' }), room.ask.commit({ key: 'b', name: 'n' })])
    expect(outcomes.filter(({ status }) => status === 'fulfilled')).toHaveLength(1)
    expect((await room.ask.list({})).snapshots.map(({ kind }) => kind).toSorted()).toEqual(['active', 'committed'])
  })

  test('keys may hold any text', async () => {
    await using room = await open()
    const keys = ['../../x', 'a/b', 'ü ☃\n', '\\,:=', 'x'.repeat(256)]
    for (const key of keys) await room.ask.prepare({ key })
    expect((await room.ask.list({})).snapshots.map(({ key }) => key).toSorted()).toEqual(keys.toSorted())
    for (const key of keys) await room.ask.remove({ key })
  })

  test('it gives up when told to, and leaves nothing', async () => {
    await using room = await open()
    await room.layer('one', undefined)
    const signal = AbortSignal.abort()
    expect(await failureOf(room.ask.prepare({ key: 'a', parent: 'one' }, { signal }))).toMatchObject({ code: 'cancelled' })
    await room.ask.prepare({ key: 'b' })
    expect(await failureOf(room.ask.commit({ key: 'b', name: 'two' }, { signal }))).toMatchObject({ code: 'cancelled' })
    expect((await room.ask.list({})).snapshots.map(({ key, kind }) => [key, kind])).toEqual([
      ['b', 'active'],
      ['one', 'committed'],
    ])
  })
}
