import { expect, test } from 'vitest'
import { initialTransition, type SnapshotFrom, transition } from 'xstate'
import { getShortestPaths } from 'xstate/graph'
import { type SnapshotEvent, snapshotMachine } from '../../machines/snapshot.ts'

const input = { driver: 'overlay', key: 'k', kind: 'active', labels: { a: '1' }, ancestors: [], at: '0' } as const
const made: SnapshotEvent = { type: 'made' }
const commit: SnapshotEvent = {
  type: 'commit',
  commitment: { name: 'n', labels: { b: '2' }, implied: ['etc'], parent: 'p', ancestors: ['2', '1'] },
}
const frozen: SnapshotEvent = { type: 'frozen', at: '1', boot: 'b' }
const replace: SnapshotEvent = { type: 'replace', replacement: { name: 'n', of: '7', ancestors: ['2', '1'], implied: ['etc'] } }
const exchanged: SnapshotEvent = { type: 'exchanged' }
const replaced: SnapshotEvent = { type: 'replaced', by: 'overlay/9', at: '3' }
const label: SnapshotEvent = { type: 'label', labels: { a: '', c: '3' }, at: '2' }
const measured: SnapshotEvent = { type: 'measured', usage: { size: 1, inodes: 2 } }
const settled: SnapshotEvent = { type: 'settled' }
const remove: SnapshotEvent = { type: 'remove' }
const discarded: SnapshotEvent = { type: 'discarded' }
const failed: SnapshotEvent = { type: 'failed' }
const events = { made, commit, frozen, replace, exchanged, replaced, label, measured, settled, remove, discarded, failed }

/** Where events lead from the beginning, and what the last asks for. */
function after(sent: SnapshotEvent[], kind: 'active' | 'view' = 'active') {
  let [snapshot, actions] = initialTransition(snapshotMachine, { ...input, kind })
  for (const event of sent) {
    expect(snapshot.can(event), `${event.type} when ${snapshot.value}`).toBe(true)
    ;[snapshot, actions] = transition(snapshotMachine, snapshot, event)
  }
  return { value: String(snapshot.value), context: snapshot.context, effects: actions.map(({ type }) => type), actions, snapshot }
}

test.for<[string, SnapshotEvent[], 'active' | 'view', string, string[]]>([
  ['it begins with its directories being made', [], 'active', 'preparing', ['make']],
  ['made, it is active, and that is told', [made], 'active', 'active', ['tellPrepared']],
  ['made, a view is a view, and that is told', [made], 'view', 'view', ['tellPrepared']],
  ['one that could not be made goes without a word', [failed], 'active', 'removing', ['discard']],
  ['a commit has it frozen', [made, commit], 'active', 'committing', ['freeze']],
  ['frozen, it is committed, and that is told', [made, commit, frozen], 'active', 'committed', ['tellCommitted']],
  ['a commit that fails leaves it active', [made, commit, failed], 'active', 'active', []],
  ['a commit may be tried again', [made, commit, failed, commit], 'active', 'committing', ['freeze']],
  ['an active one takes the place of another', [made, replace], 'active', 'replacing', ['exchange']],
  ['exchanged, it ends', [made, replace, exchanged], 'active', 'removing', ['tellRemoved', 'discard']],
  ['what could not be exchanged is active as before', [made, replace, failed], 'active', 'active', []],
  ['one whose place was taken tells it', [made, commit, frozen, replaced], 'active', 'committed', ['tellReplaced']],
  ['an active one is removed', [made, remove], 'active', 'removing', ['tellRemoved', 'discard']],
  ['a view is removed', [made, remove], 'view', 'removing', ['tellRemoved', 'discard']],
  ['a committed one is removed', [made, commit, frozen, remove], 'active', 'removing', ['tellRemoved', 'discard']],
  ['labels of an active one are told', [made, label], 'active', 'active', ['tellUpdated']],
  ['labels of a view are told', [made, label], 'view', 'view', ['tellUpdated']],
  ['labels of a committed one are told', [made, commit, frozen, label], 'active', 'committed', ['tellUpdated']],
  ['reaching the disk asks for nothing', [made, commit, frozen, settled], 'active', 'committed', []],
  ['its end is its end', [made, remove, discarded], 'active', 'removed', []],
  ['directories that will not go do not keep it', [made, remove, failed], 'active', 'removed', []],
])('%s', ([, sent, kind, value, effects]) => {
  const result = after(sent, kind)
  expect(result.value).toBe(value)
  expect(result.effects).toEqual(effects)
})

test('committed, it is what the commitment said: name, parent, ancestors, and labels of its own', () => {
  expect(after([made, commit, frozen]).context).toEqual({
    driver: 'overlay',
    key: 'n',
    kind: 'committed',
    labels: { b: '2' },
    parent: 'p',
    ancestors: ['2', '1'],
    createdAt: '0',
    updatedAt: '1',
    boot: 'b',
    durable: false,
    commitment: undefined,
  })
})

test('what is told of a commit has the key it had', () => {
  expect(after([made, commit, frozen]).actions[0]).toMatchObject({ type: 'tellCommitted', params: { key: 'k' } })
})

test('a commit that failed leaves nothing of itself', () => {
  expect(after([made, commit, failed]).context).toEqual({ ...after([made]).context, commitment: undefined })
})

test('a label set to nothing is taken away; the rest stays', () => {
  expect(after([made, label]).context).toMatchObject({ labels: { c: '3' }, updatedAt: '2' })
})

test('what is measured and what has reached the disk is kept', () => {
  expect(after([made, commit, frozen, measured, settled]).context).toMatchObject({ usage: { size: 1, inodes: 2 }, durable: true })
})

test('one whose place was taken is measured anew, and hears of it once', () => {
  const { context, snapshot } = after([made, commit, frozen, measured, settled, replaced])
  expect(context).toMatchObject({ replacedBy: 'overlay/9', updatedAt: '3', durable: true, usage: undefined })
  expect(snapshot.can(replaced)).toBe(false)
  expect(snapshot.can({ type: 'replaced', by: 'overlay/10', at: '4' })).toBe(true)
})

test('a replacement that failed leaves nothing of itself', () => {
  expect(after([made, replace, failed]).context).toEqual({ ...after([made]).context, replacement: undefined })
})

test('every state can be reached', () => {
  const reached = (['active', 'view'] as const).flatMap((kind) =>
    getShortestPaths(snapshotMachine, { input: { ...input, kind }, events: Object.values(events), limit: 5000 }).map(({ state }) =>
      String(state.value),
    ),
  )
  expect(new Set(reached)).toEqual(new Set(Object.keys(snapshotMachine.states)))
})

test.for<[string, SnapshotFrom<typeof snapshotMachine>, (keyof typeof events)[]]>([
  ['preparing', after([]).snapshot, ['made', 'failed']],
  ['active', after([made]).snapshot, ['commit', 'replace', 'label', 'remove']],
  ['view', after([made], 'view').snapshot, ['label', 'remove']],
  ['committing', after([made, commit]).snapshot, ['frozen', 'failed']],
  ['replacing', after([made, replace]).snapshot, ['exchanged', 'failed']],
  ['committed', after([made, commit, frozen]).snapshot, ['replaced', 'label', 'measured', 'settled', 'remove']],
  ['removing', after([made, remove]).snapshot, ['discarded', 'failed']],
  ['removed', after([made, remove, discarded]).snapshot, []],
])('%s takes what it takes, and nothing else', ([, snapshot, taken]) => {
  for (const [name, event] of Object.entries(events))
    expect(snapshot.status === 'active' && snapshot.can(event), name).toBe(taken.some((one) => one === name))
})
