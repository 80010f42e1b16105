import { execFile } from 'node:child_process'
import { mkdir, readdir, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { expect, test } from 'vitest'
import { openSlices } from '../../../actors/ingest/slices.ts'
import { openWriter } from '../../../actors/ingest/writer.ts'
import { digestOf, startStore } from '../../support/content.ts'
import { tempDirectory } from '../../support/temp.ts'

const run = promisify(execFile)
const signal = new AbortController().signal
const gone = AbortSignal.abort()

test('writes that come at once are written one after another, or refused', async () => {
  await using directory = await tempDirectory()
  await using writer = await openWriter({ slices: openSlices() }, { path: join(directory.path, 'r/data'), reference: 'r' })
  const answers = await Promise.allSettled([0, 5, 10, 0].map((offset) => writer.write(offset, Buffer.alloc(5, `${offset}`), { signal })))
  expect(answers.map(({ status }) => status)).toEqual(['fulfilled', 'fulfilled', 'fulfilled', 'rejected'])
  expect(writer.offset).toBe(15)
  expect(await writer.digest('sha256', { signal })).toBe(digestOf('000005555510101'))
})

test('gives up when told to', async () => {
  await using directory = await tempDirectory()
  await using writer = await openWriter({ slices: openSlices() }, { path: join(directory.path, 'r/data'), reference: 'r' })
  await writer.write(0, Buffer.alloc(10), { signal })
  await expect(writer.write(10, Buffer.alloc(10), { signal: gone })).rejects.toMatchObject({ name: 'AbortError' })
  await expect(writer.advance(10, { signal: gone })).rejects.toMatchObject({ name: 'AbortError' })
  await expect(writer.digest('sha256', { signal: gone })).rejects.toMatchObject({ code: 'cancelled' })
  expect(writer.offset).toBe(10)
})

test('what one gave up committing is kept, and free', async () => {
  await using store = await startStore()
  const { token } = await store.ingest.open({ reference: 'r' })
  await store.ingest.write({ token, offset: 0, bytes: Buffer.alloc(10) })
  const telling = new AbortController()
  const committing = store.ingest.commit({ token }, { signal: telling.signal }).then(
    () => 'committed',
    ({ code }: { code: string }) => code,
  )
  telling.abort()
  const outcome = await committing
  expect(['committed', 'cancelled']).toContain(outcome)
  await expect.poll(async () => (await store.ingest.list({})).ingests.every(({ holder }) => holder === undefined)).toBe(true)
  await expect(store.ingest.open({ reference: 'other' }, { signal: gone })).rejects.toMatchObject({ code: 'cancelled' })
  await expect.poll(async () => (await store.ingest.list({})).ingests.some(({ reference }) => reference === 'other')).toBe(false)
})

test('the lent file is the owner alone to see', async () => {
  await using store = await startStore()
  const { path } = await store.ingest.open({ reference: 'r' })
  expect((await stat(path)).mode & 0o7777).toBe(0o600)
  expect((await stat(join(path, '..'))).mode & 0o7777).toBe(0o700)
})

test.skipIf(process.getuid?.() !== 0)('a full disk takes what it can, keeps it, and says so', async () => {
  await using root = await tempDirectory()
  const content = join(root.path, 'content')
  await mkdir(content)
  await run('mount', ['-t', 'tmpfs', '-o', 'size=1m,mode=0700', 'tmpfs', content])
  try {
    await using store = await startStore({ root: root.path })
    const { token } = await store.ingest.open({ reference: 'r' })
    const piece = Buffer.alloc(400_000, 'x')
    await store.ingest.write({ token, offset: 0, bytes: piece })
    await store.ingest.write({ token, offset: 400_000, bytes: piece })
    await expect(store.ingest.write({ token, offset: 800_000, bytes: piece })).rejects.toMatchObject({ code: 'resource_exhausted' })
    const { offset } = await store.ingest.status({ reference: 'r' })
    expect(offset).toBeGreaterThanOrEqual(800_000)
    await expect(store.ingest.put({ digest: digestOf(piece), bytes: piece })).rejects.toMatchObject({ code: 'resource_exhausted' })
    expect((await readdir(join(content, 'ingest'))).filter((name) => name.endsWith('.put'))).toEqual([])
    await run('mount', ['-o', 'remount,size=4m', content])
    await store.ingest.write({ token, offset, bytes: Buffer.alloc(500_000, 'x') })
    for (let at = offset + 500_000; at < 2_000_000; at += 500_000) {
      await store.ingest.write({ token, offset: at, bytes: Buffer.alloc(Math.min(500_000, 2_000_000 - at), 'x') })
    }
    expect(await store.ingest.commit({ token })).toMatchObject({ digest: digestOf(Buffer.alloc(2_000_000, 'x')) })
  } finally {
    await run('umount', [content])
  }
})
