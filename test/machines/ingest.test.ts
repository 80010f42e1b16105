import { expect, test } from 'vitest'
import { initialTransition, type SnapshotFrom, transition } from 'xstate'
import { type IngestEvent, ingestMachine } from '../../machines/ingest.ts'

const grant = (token: string) => ({ token, holder: { node: 'n1', pid: 1, started: '1', boot: 'b', since: '0' } })
const begun = () => initialTransition(ingestMachine, { reference: 'r', grant: grant('t'), epoch: 'e', expected: digest, total: 5, at: '0' })
const digest = `sha256:${'0'.repeat(64)}`

const open: Extract<IngestEvent, { type: 'open' }> = {
  type: 'open',
  grant: grant('u'),
  offset: 3,
  restart: false,
  epoch: 'f',
  expected: digest,
  total: 5,
  at: '2',
}
const advance: IngestEvent = { type: 'advance', at: '1' }
const truncate: IngestEvent = { type: 'truncate', epoch: 'g', at: '1' }
const commit: Extract<IngestEvent, { type: 'commit' }> = { type: 'commit', claim: { digest, size: 5 }, at: '3' }
const close: IngestEvent = { type: 'close', at: '4' }
const abort: Extract<IngestEvent, { type: 'abort' }> = { type: 'abort', why: 'told to', token: 't' }
const verified: IngestEvent = { type: 'verified', digest, size: 5, at: '5' }
const existed: IngestEvent = { type: 'existed', digest, size: 5, at: '5' }
const failed: IngestEvent = { type: 'failed' }
const broken: IngestEvent = { type: 'break', token: 't', grant: grant('v'), at: '6' }
const events = { open, advance, truncate, commit, close, abort, verified, existed, failed, break: broken }

/** Where events lead, and what they ask for. */
function after(...sent: IngestEvent[]): {
  value: string
  context: object
  effects: { type: string; params: unknown }[]
  snapshot: SnapshotFrom<typeof ingestMachine>
} {
  let [snapshot, actions] = begun()
  for (const event of sent) {
    expect(snapshot.can(event), `${event.type} when ${snapshot.value}`).toBe(true)
    ;[snapshot, actions] = transition(ingestMachine, snapshot, event)
  }
  const effects = actions.map(({ type, params }) => ({ type, params }))
  return { value: String(snapshot.value), context: snapshot.context, effects, snapshot }
}

test('it begins held, and says so', () => {
  const { value, effects, context } = after()
  expect(value).toBe('opened')
  expect(effects).toEqual([{ type: 'tellOpened', params: { offset: 0 } }])
  expect(context).toMatchObject({ reference: 'r', grant: { token: 't' }, startedAt: '0', updatedAt: '0' })
})

test('while it is held, only its holder throws it away; left unfinished, anybody may', () => {
  const { token: _, ...byAnybody } = abort
  for (const held of [after(), after(advance)]) {
    expect(held.snapshot.can(byAnybody)).toBe(false)
    expect(held.snapshot.can({ ...abort, token: 'u' })).toBe(false)
    expect(held.snapshot.can(abort)).toBe(true)
  }
  expect(after(close).snapshot.can(byAnybody)).toBe(true)
})

test.for<[string, IngestEvent[], string, string[]]>([
  ['the first growth makes it receive', [advance], 'receiving', []],
  ['a commit has it verified', [advance, commit], 'verifying', ['verify']],
  ['what comes verified is committed at once', [advance, { ...commit, found: { digest, size: 5 } }], 'committed', ['tellCommitted']],
  ['an empty blob may be committed at once', [commit], 'verifying', ['verify']],
  ['what is verified is committed', [commit, verified], 'committed', ['tellCommitted']],
  ['what was content already is thrown away', [commit, existed], 'aborted', ['tellAborted', 'discard']],
  ['a mismatch closes it, bytes kept', [commit, failed], 'closed', []],
  ['closing asks for nothing', [advance, close], 'closed', []],
  ['opened again it is held', [close, open], 'opened', ['tellOpened']],
  ['started over it loses its bytes first', [close, { ...open, restart: true }], 'opened', ['empty', 'tellOpened']],
  ['it may be aborted while held', [advance, abort], 'aborted', ['tellAborted', 'discard']],
  ['it may be aborted when closed', [close, abort], 'aborted', ['tellAborted', 'discard']],
  ['a dead holder loses it', [advance, broken], 'closed', []],
  ['what a dead holder had verified is verified again', [commit, broken], 'verifying', ['verify']],
  ['starting over that fails closes it', [close, { ...open, restart: true }, failed], 'closed', []],
])('%s', ([, sent, value, effects]) => {
  const result = after(...sent)
  expect(result.value).toBe(value)
  expect(result.effects.map(({ type }) => type)).toEqual(effects)
})

test('opened again it says where it goes on; started over, from nothing', () => {
  expect(after(close, open).effects).toContainEqual({ type: 'tellOpened', params: { offset: 3 } })
  expect(after(close, { ...open, restart: true }).effects).toContainEqual({ type: 'tellOpened', params: { offset: 0 } })
  expect(after(close, open).context).toMatchObject({ startedAt: '0', updatedAt: '2' })
  expect(after(close, { ...open, restart: true }).context).toMatchObject({ startedAt: '2' })
})

test('another epoch begins when what was read of it counts for nothing any more, and only then', () => {
  expect(after(advance, close, open).context).toMatchObject({ epoch: 'e' })
  expect(after(close, { ...open, restart: true }).context).toMatchObject({ epoch: 'f' })
  expect(after(advance, truncate)).toMatchObject({ value: 'receiving', effects: [], context: { epoch: 'g', updatedAt: '1' } })
  expect(after(truncate).value).toBe('opened')
})

test('the lease of who opened it last holds it, also when who goes on has none', () => {
  expect(after(close, { ...open, lease: 'l' }, close, open).context).toMatchObject({ lease: 'l' })
  expect(after(close, { ...open, lease: 'l' }, close, { ...open, lease: 'm' }).context).toMatchObject({ lease: 'm' })
})

test('nobody holds it when it is closed', () => {
  for (const sent of [[close], [commit, failed], [advance, broken]]) expect(after(...sent).context).toMatchObject({ grant: undefined })
})

test('who breaks a dead hold during verification has it', () => {
  expect(after(commit, broken).context).toMatchObject({ grant: { token: 'v' } })
})

test('only the hold that was found dead is broken', () => {
  const { snapshot } = after(advance)
  expect(snapshot.can({ ...broken, token: 'another' })).toBe(false)
})

test('it keeps what was claimed, found, and why it ended', () => {
  expect(after(commit).context).toMatchObject({ claim: { digest, size: 5 }, updatedAt: '3' })
  expect(after(commit, verified).context).toMatchObject({ found: { digest, size: 5 } })
  expect(after(commit, existed).context).toMatchObject({ found: { digest, size: 5 }, why: `${digest} is content already` })
  expect(after(abort).context).toMatchObject({ why: 'told to' })
  expect(after({ ...abort, found: { digest, size: 5 } }).context).toMatchObject({ found: { digest, size: 5 } })
})

const allowed: Record<string, { by: IngestEvent[]; takes: (keyof typeof events)[] }> = {
  opened: { by: [], takes: ['advance', 'truncate', 'commit', 'close', 'abort', 'break', 'failed'] },
  receiving: { by: [advance], takes: ['truncate', 'commit', 'close', 'abort', 'break'] },
  closed: { by: [close], takes: ['open', 'abort'] },
  verifying: { by: [commit], takes: ['verified', 'existed', 'failed', 'break'] },
  committed: { by: [commit, verified], takes: [] },
  aborted: { by: [abort], takes: [] },
}

test('every state is reached, and refuses every event it does not know', () => {
  expect(Object.keys(allowed).toSorted()).toEqual(Object.keys(ingestMachine.states).toSorted())
  for (const [state, { by, takes }] of Object.entries(allowed)) {
    const { snapshot, value } = after(...by)
    expect(value).toBe(state)
    const taken = Object.entries(events).filter(([, event]) => snapshot.status === 'active' && snapshot.can(event))
    expect(taken.map(([name]) => name).toSorted(), state).toEqual(takes.toSorted())
  }
})
