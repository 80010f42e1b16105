import { expect, test } from 'vitest'
import type { Asks } from '../../../actors/pull/asks.ts'
import { type BlobProgress, type BlobRequest, bringBlob } from '../../../actors/pull/blob.ts'
import { Failure } from '../../../messages/grammar/index.ts'

const digest = `sha256:${'1'.repeat(64)}`
const descriptor = { mediaType: 'layer', digest, size: 100_000 }
const labels = { 'gantry.source.h.test': 'r', 'gantry.media-type': 'layer' }
const silent = { debug: () => {}, info: () => {}, warn: () => {}, error: () => {} }

/** Everybody a blob is brought through, played: answers to each call in order, the last again and again, and what was asked. */
function played(answers: Readonly<Record<string, readonly unknown[]>>) {
  const asked: { call: string; request: unknown }[] = []
  const left = new Map(Object.entries(answers).map(([call, all]) => [call, [...all]]))
  const take = (call: string, request: unknown) => {
    asked.push({ call, request })
    const all = left.get(call) ?? [{}]
    const answer = all.length > 1 ? all.shift() : all[0]
    if (answer instanceof Error) throw answer
    return answer
  }
  const call = (name: string) => async (request: unknown) => take(name, request)
  const feed = (name: string) =>
    async function* (request: unknown) {
      yield* take(name, request) as unknown[]
    }
  const asks = {
    ingest: {
      put: call('put'),
      open: call('open'),
      commit: call('commit'),
      abort: call('abort'),
      close: call('close'),
      follow: feed('follow'),
    },
    source: { blob: (request: unknown, from: string) => feed(`blob from ${from}`)(request), object: call('object') },
    content: { info: call('info'), label: call('label') },
    log: silent,
  } as unknown as Asks
  const requests = (name: string) => asked.filter(({ call }) => call === name).map(({ request }) => request)
  return { asks, requests }
}

const lent = { path: '/ingest', offset: 0, startedAt: '' }
const request = () => ({ name: 'h.test/r:latest', descriptor, lease: 'mine', tokens: new Map<string, string>() })
const signal = new AbortController().signal

async function bring({ asks }: { asks: Asks }, asked: Partial<BlobRequest> = {}): Promise<string[]> {
  const told: string[] = []
  const report = ({ status }: BlobProgress) => void (told.at(-1) === status || told.push(status))
  await bringBlob(asks, { ...request(), ...asked }, { signal, report })
  return told
}

test('a blob is opened under the lease and committed with what is to be said of it', async () => {
  const play = played({ open: [lent], 'blob from anybody': [[{ offset: 100_000, shared: false }]] })
  expect(await bring(play)).toEqual(['downloading', 'verifying'])
  expect(play.requests('open')).toMatchObject([{ lease: 'mine', expected: digest, total: 100_000 }])
  expect(play.requests('commit')).toMatchObject([{ digest, size: 100_000, labels }])
  expect(play.requests('label')).toEqual([])
})

test('one that is here has said of it what it lacks, and nothing is written when it lacks nothing', async () => {
  const here = new Failure('already_exists', 'it is content')
  const lacking = played({ open: [here], info: [{ labels: { 'gantry.source.h.test': 'q' } }] })
  expect(await bring(lacking)).toEqual(['exists'])
  expect(lacking.requests('label')).toEqual([{ digest, labels: { ...labels, 'gantry.source.h.test': 'q,r' } }])
  const whole = played({ open: [here], info: [{ labels }] })
  await bring(whole)
  expect(whole.requests('label')).toEqual([])
})

test('one that another writer brings is opened again when it is there, so that it is held', async () => {
  const play = played({
    open: [new Failure('unavailable', 'somebody has it', { details: { holder: {} } }), new Failure('already_exists', 'it is content')],
    follow: [[{ offset: 5 }]],
    info: [{ labels }],
  })
  expect(await bring(play)).toEqual(['waiting', 'exists'])
  expect(play.requests('open')).toHaveLength(2)
})

for (const reason of ['size', 'digest']) {
  test(`bytes of the wrong ${reason} are thrown away, and that is data_loss`, async () => {
    const wrong = new Failure('failed_precondition', `commit: the ${reason} is another`, { details: { reason } })
    const play = played({ open: [lent], 'blob from anybody': [[]], commit: [wrong] })
    await expect(bring(play)).rejects.toMatchObject({ code: 'data_loss', message: wrong.message })
    expect(play.requests('abort')).toMatchObject([{ reference: digest }])
    expect(play.requests('close')).toEqual([])
  })
}

const digestWrong = new Failure('failed_precondition', 'commit: the digest is another', { details: { reason: 'digest' } })
const fromOthers = [{ offset: 100_000, shared: true }]
const fromRegistry = [{ offset: 100_000, shared: false }]

test('wrong bytes that others had a part in are thrown away, and brought from the registry alone', async () => {
  const play = played({ open: [lent], 'blob from anybody': [fromOthers], 'blob from registry': [fromRegistry], commit: [digestWrong, {}] })
  expect(await bring(play)).toEqual(['downloading', 'verifying', 'downloading', 'verifying'])
  const [first, second] = play.requests('open').map((asked) => (asked as { token: string }).token)
  expect(play.requests('abort')).toEqual([{ reference: digest, token: first }])
  expect(play.requests('blob from registry')).toMatchObject([{ token: second, offset: 0 }])
  expect(play.requests('commit')).toMatchObject([{ token: first }, { token: second }])
  expect(play.requests('close')).toEqual([])
})

test('what the registry alone sends wrong is data_loss, and is not asked for a third time', async () => {
  const play = played({ open: [lent], 'blob from anybody': [fromOthers], 'blob from registry': [fromRegistry], commit: [digestWrong] })
  await expect(bring(play)).rejects.toMatchObject({ code: 'data_loss', message: digestWrong.message })
  expect(play.requests('abort')).toHaveLength(2)
  expect(play.requests('blob from registry')).toHaveLength(1)
})

test('a commit refused for anything else is told as it is, and the bytes stay', async () => {
  const play = played({ open: [lent], 'blob from anybody': [[]], commit: [new Failure('failed_precondition', 'commit: not now')] })
  await expect(bring(play)).rejects.toMatchObject({ code: 'failed_precondition' })
  expect(play.requests('abort')).toEqual([])
  expect(play.requests('close')).toHaveLength(1)
})

const small = { descriptor: { ...descriptor, size: 2 } }
const bytes = Buffer.from('hi')

test('a small blob is fetched before anything is opened for it, and put under the lease with what is to be said of it', async () => {
  const play = played({ object: [bytes] })
  expect(await bring(play, small)).toEqual(['verifying'])
  expect(play.requests('object')).toEqual([{ name: 'h.test/r:latest', descriptor: small.descriptor }])
  expect(play.requests('put')).toEqual([{ digest, bytes, labels, lease: 'mine' }])
  expect(play.requests('open')).toEqual([])
})

test('a small blob that somebody else brought meanwhile has said of it what it lacks', async () => {
  const play = played({ object: [bytes], put: [new Failure('already_exists', 'it is content')], info: [{ labels: {} }] })
  await bring(play, small)
  expect(play.requests('label')).toEqual([{ digest, labels }])
})

test('a blob that is known to be here is not fetched, but one that was removed since is', async () => {
  const here = played({ info: [{ labels }] })
  expect(await bring(here, { here: true })).toEqual(['exists'])
  expect([...here.requests('object'), ...here.requests('open')]).toEqual([])
  const gone = played({ object: [bytes], info: [new Failure('not_found', 'there is none')] })
  expect(await bring(gone, { ...small, here: true })).toEqual(['verifying'])
  expect(gone.requests('put')).toHaveLength(1)
})
