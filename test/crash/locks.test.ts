import { existsSync } from 'node:fs'
import { setTimeout as after } from 'node:timers/promises'
import { expect, test } from 'vitest'
import type { Info } from '../../messages/content.ts'
import { startChild } from '../support/child.ts'
import { digestOf, type Store, startStore } from '../support/content.ts'
import { unsound } from '../support/sound.ts'
import { tempDirectory } from '../support/temp.ts'

const holder = new URL('./holder.process.ts', import.meta.url)
const workload = new URL('./workload.process.ts', import.meta.url)

/** Take the ingest and finish it. */
async function finish(store: Store): Promise<void> {
  const { token, offset } = await store.ingest.open({ reference: 'r' })
  expect(offset).toBe(5)
  await store.ingest.write({ token, offset, bytes: Buffer.from('and half') })
  expect(await store.ingest.commit({ token })).toMatchObject({ digest: digestOf('half and half') })
}

/** Have the record of the ingest say something else of its holder, as if it were an older one. */
async function rewriteHolder({ home: { tables } }: Store, change: object): Promise<void> {
  const records = tables.table<{ context: { grant: { holder: object } } }>('ingest')
  const id = digestOf('r').slice('sha256:'.length)
  await tables.transaction(() => {
    const record = records.get(id)
    if (!record) throw new Error('there is no record')
    const { context } = record
    records.put(id, { ...record, context: { ...context, grant: { ...context.grant, holder: { ...context.grant.holder, ...change } } } })
  })
}

test('an ingest another process holds is refused at once, by name of the holder and since when', async () => {
  await using root = await tempDirectory()
  await using child = startChild(holder, [root.path, 'r'])
  await child.saying('holds')
  await using store = await startStore({ root: root.path })
  const { holder: told } = await store.ingest.status({ reference: 'r' })
  expect(told).toMatchObject({ node: 'holder', pid: child.pid })
  const message = expect.stringMatching(new RegExp(`${child.pid}.*${told?.since}`))
  await expect(store.ingest.open({ reference: 'r' })).rejects.toMatchObject({ code: 'unavailable', details: { holder: told }, message })
  await expect(store.ingest.abort({ reference: 'r' })).rejects.toMatchObject({ code: 'failed_precondition', details: { holder: told } })
  await child.kill()
  await finish(store)
})

test('it is free when its holder’s pid is somebody else’s by now', async () => {
  await using root = await tempDirectory()
  await using child = startChild(holder, [root.path, 'r'])
  await child.saying('holds')
  await using store = await startStore({ root: root.path })
  await rewriteHolder(store, { pid: process.pid })
  await finish(store)
})

test('it is free when its holder was of another boot, whoever has its pid and start', async () => {
  await using root = await tempDirectory()
  await using child = startChild(holder, [root.path, 'r'])
  await child.saying('holds')
  await using store = await startStore({ root: root.path })
  await rewriteHolder(store, { boot: 'the boot before' })
  await finish(store)
})

test('of two that wait for a dead holder’s ingest one has it', async () => {
  await using root = await tempDirectory()
  await using child = startChild(holder, [root.path, 'r'])
  await child.saying('holds')
  await using one = await startStore({ root: root.path, node: 'one' })
  await using other = await startStore({ root: root.path, node: 'other' })
  await child.kill()
  const answers = await Promise.allSettled([one, other].map(async ({ ingest }) => await ingest.open({ reference: 'r' })))
  expect(answers.filter(({ status }) => status === 'fulfilled')).toHaveLength(1)
  for (const answer of answers) if (answer.status === 'rejected') expect(answer.reason).toMatchObject({ code: 'unavailable' })
})

test('two processes that put, commit and remove the same blobs never leave a record without its file, killed or not', {
  timeout: 120_000,
  retry: 1,
}, async () => {
  await using root = await tempDirectory()
  await using store = await startStore({ root: root.path })
  const { tables } = store.home
  const content = tables.table<Info>('content')
  for (let round = 0; round < 5; round++) {
    await using one = startChild(workload, [root.path, 'one', 'shared'])
    await using other = startChild(workload, [root.path, 'other', 'shared'])
    await Promise.all([one.saying('working'), other.saying('working')])
    for (let look = 0; look < 40; look++) {
      // Nobody can change either while we look.
      const missing = await tables.transaction(() =>
        Array.from(content.range(), ({ key }) => key).filter(
          (digest) => !existsSync(`${root.path}/content/blobs/${digest.replace(':', '/')}`),
        ),
      )
      expect(missing).toEqual([])
      await after(5)
    }
    await Promise.all([one.kill(), other.kill()])
  }
  await store[Symbol.asyncDispose]()
  await using again = await startStore({ root: root.path })
  expect(await unsound(again)).toEqual([])
})
