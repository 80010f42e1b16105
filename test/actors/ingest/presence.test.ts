import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { appendFile } from 'node:fs/promises'
import { expect, test, vi } from 'vitest'
import { attend } from '../../../actors/ingest/presence.ts'
import { type Living, livingAt } from '../../../runtime/alive.ts'
import { digestOf, type Store, startStore } from '../../support/content.ts'

const bytes = Buffer.alloc(200_000, 'bytes of another process ')
const digest = digestOf(bytes)

/** A process that is there until it is killed. */
async function someProcess(): Promise<AsyncDisposable & { writer: Living; kill(): Promise<void> }> {
  const child = spawn('sleep', ['1000'], { stdio: 'ignore' })
  await once(child, 'spawn')
  const writer = await livingAt(child.pid ?? 0)
  if (!writer) throw new Error('it has ended')
  const kill = () => killed(child)
  return { writer, kill, [Symbol.asyncDispose]: kill }
}

async function killed(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return
  const over = once(child, 'exit')
  child.kill('SIGKILL')
  await over
}

/** Resolves once a follower is told that nobody writes. */
async function closed({ ingest }: Store): Promise<void> {
  for await (const { state } of ingest.follow({ reference: 'r' })) if (state === 'closed') return
}

async function finish({ ingest }: Store, from: number): Promise<void> {
  const { token, offset } = await ingest.open({ reference: 'r' })
  expect(offset).toBe(from)
  await ingest.write({ token, offset, bytes: bytes.subarray(offset) })
  expect(await ingest.commit({ token })).toMatchObject({ digest })
}

test('a writer that is another process is named, and its death closes the ingest', async () => {
  await using store = await startStore()
  await using other = await someProcess()
  const { writer } = other
  const lent = await store.ingest.open({ reference: 'r', writer })
  const { holder } = await store.ingest.status({ reference: 'r' })
  expect(holder).toMatchObject({ node: 'n1', pid: process.pid, writer })
  const message = `open ingest r: process ${writer.pid} on the machine of node n1 has it since ${holder?.since}`
  await expect(store.ingest.open({ reference: 'r' })).rejects.toMatchObject({ code: 'unavailable', message, details: { holder } })
  await appendFile(lent.path, bytes.subarray(0, 40_000)) // and does not come to say so
  const told = closed(store)
  await other.kill()
  await told
  const after = await store.ingest.status({ reference: 'r' })
  expect(after).toMatchObject({ state: 'closed', offset: 40_000 })
  expect(after.holder).toBeUndefined()
  await expect(store.ingest.advance({ token: lent.token, offset: 40_000 })).rejects.toMatchObject({ code: 'not_found' })
  await finish(store, 40_000)
})

test.for<[string, (store: Store) => PromiseLike<unknown>]>([
  ['thrown away', ({ ingest }) => ingest.abort({ reference: 'r' })],
  ['opened by another', ({ ingest }) => ingest.open({ reference: 'r' })],
])('what a dead writer held is %s at once', async ([, take]) => {
  await using store = await startStore()
  await using other = await someProcess()
  const { token } = await store.ingest.open({ reference: 'r', writer: other.writer })
  await other.kill()
  await take(store)
  await expect(store.ingest.advance({ token, offset: 0 })).rejects.toMatchObject({ code: 'not_found' })
})

test.for<[string, (writer: Living) => Living]>([
  ['is dead', (writer) => ({ ...writer, pid: 4_194_304 })],
  ['has the pid of another', (writer) => ({ ...writer, started: '0' })],
  ['is of another boot', (writer) => ({ ...writer, boot: 'another' })],
])('a writer that %s is refused, and holds nothing', async ([, change]) => {
  await using store = await startStore()
  await using other = await someProcess()
  await expect(store.ingest.open({ reference: 'r', writer: change(other.writer) })).rejects.toMatchObject({ code: 'failed_precondition' })
  await expect(store.ingest.status({ reference: 'r' })).rejects.toMatchObject({ code: 'not_found' })
})

test('a writer’s death takes nothing from who has it now', async () => {
  await using store = await startStore()
  await using other = await someProcess()
  const { token } = await store.ingest.open({ reference: 'r', writer: other.writer })
  await store.ingest.close({ token })
  const now = await store.ingest.open({ reference: 'r' })
  await other.kill()
  await store.ingest.write({ token: now.token, offset: 0, bytes })
  expect(await store.ingest.commit({ token: now.token })).toMatchObject({ digest })
})

test('a writer that dies once it has said commit has its blob', async () => {
  await using store = await startStore()
  await using other = await someProcess()
  const { token, path } = await store.ingest.open({ reference: 'r', writer: other.writer })
  await appendFile(path, bytes)
  const committed = store.ingest.commit({ token })
  const [info] = await Promise.all([committed, other.kill()])
  expect(info).toMatchObject({ digest })
})

test('a writer elsewhere that is not heard any more is taken for dead, and its ingest is closed', async () => {
  await using store = await startStore({ silenceMs: 300 })
  const { token, silenceMs } = await store.ingest.open({ reference: 'r', writer: 'elsewhere' })
  expect(silenceMs).toBe(300)
  expect((await store.ingest.status({ reference: 'r' })).holder).toMatchObject({ writer: 'elsewhere' })
  await expect(store.ingest.abort({ reference: 'r' })).rejects.toMatchObject({
    code: 'failed_precondition',
    message: expect.stringContaining('a writer on another machine has it, of node n1, since'),
  })
  await store.ingest.write({ token, offset: 0, bytes: bytes.subarray(0, 1000) })
  await closed(store)
  await expect(store.ingest.hold({ token })).rejects.toMatchObject({ code: 'not_found' })
  await finish(store, 1000)
})

test('a writer elsewhere holds on for as long as it is heard', async () => {
  vi.useFakeTimers()
  using _real = { [Symbol.dispose]: () => void vi.useRealTimers() }
  using presence = await attend('elsewhere', { silenceMs: 1000 })
  let gone = false
  void presence.gone.then(() => {
    gone = true
  })
  for (let beat = 0; beat < 5; beat++) {
    await vi.advanceTimersByTimeAsync(900)
    presence.heard()
  }
  expect(gone).toBe(false)
  await vi.advanceTimersByTimeAsync(1000)
  expect(gone).toBe(true)
})

test('a writer that was left is not heard any more, nor missed', async () => {
  vi.useFakeTimers()
  using _real = { [Symbol.dispose]: () => void vi.useRealTimers() }
  const presence = await attend('elsewhere', { silenceMs: 1000 })
  presence[Symbol.dispose]()
  presence.heard()
  expect(vi.getTimerCount()).toBe(0)
})
