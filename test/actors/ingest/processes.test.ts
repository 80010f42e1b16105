import { appendFile, readdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import type { ingestMachine } from '../../../machines/ingest.ts'
import type { Entry } from '../../../runtime/records/store.ts'
import { digestOf, startStore } from '../../support/content.ts'
import { type Asked, startTwoStores } from '../../support/stores.ts'
import { tempDirectory } from '../../support/temp.ts'

const bytes = Buffer.alloc(100_000, 'bytes of two processes ')
const digest = digestOf(bytes)

/** Follow, and read on until an item passes. */
function following({ ingest }: Asked, reference: string) {
  const items = ingest.follow({ reference })[Symbol.asyncIterator]()
  return {
    async until(passes: (item: { state: string; offset: number }) => boolean) {
      for (;;) {
        const { value, done } = await items.next()
        if (done) throw new Error('the feed ended')
        if (passes(value)) return value
      }
    },
    leave: async () => await items.return?.(),
  }
}

test('who follows a writer of another process sees it grow, be closed, go on and become content', async () => {
  await using stores = await startTwoStores()
  const { here, there } = stores
  const lent = await there.ingest.open({ reference: 'r', total: bytes.length })
  const watcher = following(here, 'r')
  expect(await watcher.until(() => true)).toMatchObject({ state: 'opened', offset: 0, path: lent.path })
  await there.ingest.write({ token: lent.token, offset: 0, bytes: bytes.subarray(0, 40_000) })
  await watcher.until(({ offset }) => offset === 40_000)
  await there.ingest.close({ token: lent.token })
  await watcher.until(({ state }) => state === 'closed')
  const again = await there.ingest.open({ reference: 'r', total: bytes.length })
  await watcher.until(({ state }) => state === 'opened')
  await there.ingest.write({ token: again.token, offset: 40_000, bytes: bytes.subarray(40_000) })
  await there.ingest.commit({ token: again.token })
  expect(await watcher.until(({ state }) => state === 'committed')).toMatchObject({ offset: bytes.length })
  expect(await here.content.verify({ digest })).toEqual({ digest, size: bytes.length })
})

test('who follows a writer that is killed is told that nobody writes any more, and goes on', async () => {
  await using stores = await startTwoStores()
  const { here, there } = stores
  const lent = await there.ingest.open({ reference: 'r' })
  await appendFile(lent.path, bytes.subarray(0, 40_000))
  await there.ingest.advance({ token: lent.token, offset: 40_000 })
  await expect(here.ingest.open({ reference: 'r' })).rejects.toMatchObject({
    code: 'unavailable',
    details: { holder: { node: 'n2', pid: there.pid, since: expect.any(String) } },
  })
  const watcher = following(here, 'r')
  await watcher.until(({ state }) => state !== 'closed')
  await there.kill()
  await watcher.until(({ state }) => state === 'closed')
  const { token, offset } = await here.ingest.open({ reference: 'r' })
  expect(offset).toBe(40_000)
  await here.ingest.write({ token, offset, bytes: bytes.subarray(offset) })
  expect(await here.ingest.commit({ token })).toMatchObject({ digest })
})

test('who follows is told when another process throws it away, or starts it over, or truncates it', async () => {
  await using stores = await startTwoStores()
  const { here, there } = stores
  const endings: ((token: string) => Promise<unknown>)[] = [
    async (token) => await there.ingest.abort({ reference: 'r', token }),
    async (token) => await there.ingest.truncate({ token, offset: 1 }),
    async (token) => {
      await there.ingest.close({ token })
      await there.ingest.open({ reference: 'r', total: 7 })
    },
  ]
  for (const end of endings) {
    const { token, offset } = await there.ingest.open({ reference: 'r' })
    await there.ingest.write({ token, offset, bytes: bytes.subarray(0, 10) })
    const watcher = following(here, 'r')
    await watcher.until((item) => item.offset === 10)
    await end(token)
    await expect(watcher.until(() => false)).rejects.toMatchObject({ code: 'data_loss' })
    for (const { reference } of (await there.ingest.list({})).ingests) {
      if ((await there.ingest.status({ reference })).holder === undefined) await there.ingest.abort({ reference })
      else
        await there.ingest.close({ token }).then(
          () => there.ingest.abort({ reference }),
          () => {},
        )
    }
  }
})

test('two processes that put the same blob at once have it once, and both know', async () => {
  await using stores = await startTwoStores()
  const { here, there } = stores
  for (let round = 0; round < 20; round++) {
    const one = Buffer.from(`blob of round ${round}`)
    const answers = await Promise.allSettled(
      [here, there].flatMap(({ ingest }) => [1, 2, 3].map(async () => await ingest.put({ digest: digestOf(one), bytes: one }))),
    )
    expect(answers.filter(({ status }) => status === 'fulfilled')).toHaveLength(1)
    for (const answer of answers) if (answer.status === 'rejected') expect(answer.reason).toMatchObject({ code: 'already_exists' })
  }
})

test('a blob put and removed in two processes at once is whole or not there', async () => {
  await using stores = await startTwoStores()
  const { here, there } = stores
  for (let round = 0; round < 30; round++) {
    await Promise.allSettled([
      (async () => await here.ingest.put({ digest, bytes }))(),
      (async () => await there.content.remove({ digest }))(),
      (async () => await there.ingest.put({ digest, bytes }))(),
      (async () => await here.content.remove({ digest }))(),
    ])
    const known = await here.content.info({ digest }).then(
      () => true,
      () => false,
    )
    if (known) await there.content.verify({ digest })
    else expect(await readdir(join(stores.root, 'content/blobs/sha256'))).toEqual([])
  }
})

/** Make the holder of an ingest somebody else. */
async function heldBy(root: string, holder: Record<string, unknown>): Promise<void> {
  await using store = await startStore({ root })
  const { ingest } = store
  const { token } = await ingest.open({ reference: 'r' })
  await ingest.write({ token, offset: 0, bytes: bytes.subarray(0, 10) })
  const table = store.home.tables.table<Entry<typeof ingestMachine>>('ingest')
  await store.home.tables.transaction(() => {
    for (const { key, value } of [...table.range()]) {
      const { grant } = value.context
      if (grant)
        table.put(key, { ...value, context: { ...value.context, grant: { token: 'theirs', holder: { ...grant.holder, ...holder } } } })
    }
  })
}

test.for<[string, Record<string, unknown>]>([
  ['whose pid is of another process now', { pid: 1, started: '0' }],
  ['from before the machine was started anew', { boot: 'another boot' }],
  ['that is gone', { pid: 4_194_304 }],
])('a holder %s holds nothing', async ([, holder]) => {
  await using root = await tempDirectory()
  await heldBy(root.path, holder)
  await using store = await startStore({ root: root.path })
  expect(await store.ingest.status({ reference: 'r' })).toMatchObject({ state: 'closed', offset: 10 })
  expect(await store.ingest.open({ reference: 'r' })).toMatchObject({ offset: 10 })
})

test('a holder that lives holds on, whoever starts beside it', async () => {
  await using root = await tempDirectory()
  const stat = await readFile('/proc/1/stat', 'utf8')
  await heldBy(root.path, { pid: 1, started: stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19] })
  await using store = await startStore({ root: root.path })
  await expect(store.ingest.open({ reference: 'r' })).rejects.toMatchObject({ code: 'unavailable', details: { holder: { pid: 1 } } })
})

test('a store that starts takes away files in places of blobs that no record speaks of, and no others', async () => {
  await using root = await tempDirectory()
  {
    await using store = await startStore({ root: root.path })
    await store.ingest.put({ digest, bytes })
  }
  const places = join(root.path, 'content/blobs/sha256')
  await writeFile(join(places, 'f'.repeat(64)), 'left over')
  await writeFile(join(places, 'not a digest'), 'not ours')
  await writeFile(join(root.path, 'content/ingest/some.gone'), 'taken out of its place')
  await using _store = await startStore({ root: root.path })
  expect((await readdir(places)).toSorted()).toEqual([digest.slice('sha256:'.length), 'not a digest'].toSorted())
  expect(await readdir(join(root.path, 'content/ingest'))).toEqual([])
})
