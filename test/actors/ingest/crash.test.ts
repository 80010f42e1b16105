import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { access, appendFile, mkdir, readdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { expect, test } from 'vitest'
import { digestOf, type Store, startStore } from '../../support/content.ts'
import { tempDirectory } from '../../support/temp.ts'
import { blob, half, small } from './child-blobs.ts'

const child = (...args: string[]): ChildProcess =>
  spawn(process.execPath, [fileURLToPath(new URL('./crash-child.ts', import.meta.url)), ...args], { stdio: ['ignore', 'pipe', 'inherit'] })

/** Go on with whatever is left of the blob. */
async function finish(store: Store): Promise<number> {
  const { token, offset } = await store.ingest.open({ reference: 'r', expected: digestOf(blob), total: blob.length })
  for (let at = offset; at < blob.length; at += 400_000) {
    await store.ingest.write({ token, offset: at, bytes: blob.subarray(at, at + 400_000) })
  }
  await store.ingest.commit({ token })
  return offset
}

test.for(['inside', 'after'])('killed %s any transaction, it goes on from what is there', async (when) => {
  for (let n = 1, alive = false; !alive; n++) {
    await using root = await tempDirectory()
    const crashing = child(root.path, 'crash', String(n), String(when))
    const [code] = await once(crashing, 'exit')
    alive = code === 0
    if (!alive) expect(crashing.signalCode).toBe('SIGKILL')

    await using store = await startStore({ root: root.path })
    const { ingests } = await store.ingest.list({})
    for (const ingest of ingests) expect(ingest).toMatchObject({ reference: 'r', state: 'closed' })
    const digests = (await store.content.list({})).blobs.map(({ digest }) => digest)
    if (!digests.includes(digestOf(blob))) await finish(store)
    for (const digest of digests) await store.content.verify({ digest })
    await store.content.verify({ digest: digestOf(blob) })
    if (!digests.includes(digestOf(small))) await store.ingest.put({ digest: digestOf(small), bytes: small })
    expect(await readdir(join(root.path, 'content/ingest'))).toEqual([])
    expect((await readdir(join(root.path, 'content/blobs/sha256'))).toSorted()).toEqual(
      [blob, small].map((bytes) => digestOf(bytes).slice('sha256:'.length)).toSorted(),
    )
    if (alive) expect(n).toBeGreaterThan(4)
  }
})

test('what another process holds stays held as long as it lives, and not a moment longer', async () => {
  await using root = await tempDirectory()
  const holder = child(root.path, 'hold')
  const gone = once(holder, 'exit')
  await once(holder.stdout ?? holder, 'data')
  await using store = await startStore({ root: root.path })
  const held = { holder: { node: 'child', pid: holder.pid } }
  await expect(store.ingest.open({ reference: 'r' })).rejects.toMatchObject({ code: 'unavailable', details: held })
  await expect(store.ingest.abort({ reference: 'r' })).rejects.toMatchObject({ code: 'failed_precondition', details: held })
  expect(await store.ingest.status({ reference: 'r' })).toMatchObject({ offset: half, ...held })
  holder.kill('SIGKILL')
  await gone
  expect(await finish(store)).toBe(half)
  await store.content.verify({ digest: digestOf(blob) })
})

test('what a dead node held is free at its offset when a node starts again', async () => {
  await using root = await tempDirectory()
  const holder = child(root.path, 'hold')
  const gone = once(holder, 'exit')
  await once(holder.stdout ?? holder, 'data')
  holder.kill('SIGKILL')
  await gone
  await using store = await startStore({ root: root.path })
  const status = await store.ingest.status({ reference: 'r' })
  expect(status).toMatchObject({ state: 'closed', offset: half, total: blob.length })
  expect(status).not.toHaveProperty('holder')
})

test('what this process held is free when it starts again', async () => {
  await using root = await tempDirectory()
  {
    await using store = await startStore({ root: root.path })
    const { path } = await store.ingest.open({ reference: 'r' })
    await appendFile(path, 'some bytes')
  }
  await using store = await startStore({ root: root.path })
  expect(await store.ingest.open({ reference: 'r' })).toMatchObject({ offset: 10 })
})

test('what nothing speaks of is swept away at the start', async () => {
  await using root = await tempDirectory()
  const ingests = join(root.path, 'content/ingest')
  const lost = join(ingests, 'a'.repeat(64))
  await mkdir(lost, { recursive: true })
  await writeFile(join(lost, 'data'), 'of a record that is gone')
  await writeFile(join(ingests, '1-999999999-0.put'), 'of a process that is gone')
  await writeFile(join(ingests, 'notes.txt'), 'not ours')
  await using _store = await startStore({ root: root.path })
  expect(await readdir(ingests)).toEqual(['notes.txt'])
})

test('a file without a record is no content, and is replaced', async () => {
  await using root = await tempDirectory()
  const bytes = Buffer.from('the right bytes')
  const left = join(root.path, 'content/blobs/sha256', digestOf(bytes).slice('sha256:'.length))
  await mkdir(join(left, '..'), { recursive: true })
  await writeFile(left, 'left over', { mode: 0o444 })
  await using store = await startStore({ root: root.path })
  await expect(store.content.info({ digest: digestOf(bytes) })).rejects.toMatchObject({ code: 'not_found' })
  const { token, path } = await store.ingest.open({ reference: 'r', expected: digestOf(bytes) })
  await appendFile(path, bytes)
  await store.ingest.commit({ token })
  await store.content.verify({ digest: digestOf(bytes) })
  await expect(access(path)).rejects.toMatchObject({ code: 'ENOENT' })
})
