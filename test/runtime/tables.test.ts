import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { rm, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { Worker } from 'node:worker_threads'
import { expect, test } from 'vitest'
import { Failure } from '../../messages/grammar/index.ts'
import { mountAll } from '../../runtime/mounts.ts'
import { openTables, type Table } from '../../runtime/tables.ts'
import { tempDirectory } from '../support/temp.ts'

const here = import.meta.dirname

/** Tables in a directory of their own. */
async function opened() {
  const stack = new AsyncDisposableStack()
  const directory = stack.use(await tempDirectory())
  const tables = stack.use(await openTables(join(directory.path, 'meta')))
  return { tables, directory: join(directory.path, 'meta'), [Symbol.asyncDispose]: () => stack.disposeAsync() }
}

/** Another process on the same directory. */
const other = (directory: string, ...args: string[]): ChildProcess =>
  fork(join(here, 'tables.process.ts'), [directory, ...args], { execArgv: [], stdio: ['ignore', 'inherit', 'inherit', 'ipc'] })

const keys = (table: Table<unknown>, options?: Parameters<Table<unknown>['range']>[0]) => Array.from(table.range(options), ({ key }) => key)

test('what is committed is there, in its own table, the value as it was', async () => {
  await using it = await opened()
  const [one, two] = [it.tables.table<unknown>('one'), it.tables.table<unknown>('two')]
  const value = { text: 'ä', number: 2 ** 40, float: 0.5, list: [1, null, true], deep: { empty: {} }, bytes: Buffer.from([0, 255]) }
  const put = () => {
    one.put('k', value)
    return 7
  }
  expect(await it.tables.transaction(put)).toBe(7)
  expect(one.get('k')).toEqual(value)
  expect(two.get('k')).toBeUndefined()
  expect(keys(two)).toEqual([])
})

test('the directory is for its owner only', async () => {
  await using it = await opened()
  expect((await stat(it.directory)).mode & 0o777).toBe(0o700)
})

test('what throws undoes everything, and nobody else’s', async () => {
  await using it = await opened()
  const table = it.tables.table<number>('t')
  await it.tables.transaction(() => table.put('a', 1))
  const undone = it.tables.transaction(() => {
    table.put('a', 2)
    table.put('b', 2)
    table.remove('a')
    expect([table.get('a'), table.get('b'), keys(table)]).toEqual([undefined, 2, ['b']])
    throw new Failure('failed_precondition', 'not so')
  })
  // Asked for in the same turn, and so perhaps written in the same go.
  const beside = it.tables.transaction(() => table.put('c', 3))
  await expect(undone).rejects.toMatchObject({ code: 'failed_precondition' })
  await beside
  expect([table.get('a'), table.get('b'), table.get('c')]).toEqual([1, undefined, 3])
})

test('a transaction sees what those before it wrote, and nobody outside sees it before it is committed', async () => {
  await using it = await opened()
  const table = it.tables.table<number>('t')
  const all = Array.from({ length: 20 }, () => it.tables.transaction(() => table.put('n', (table.get('n') ?? 0) + 1)))
  expect(table.get('n')).toBeUndefined()
  await Promise.all(all)
  expect(table.get('n')).toBe(20)
})

test('remove says whether there was one', async () => {
  await using it = await opened()
  const table = it.tables.table<number>('t')
  await it.tables.transaction(() => table.put('a', 1))
  expect(await it.tables.transaction(() => [table.remove('a'), table.remove('a')])).toEqual([true, false])
})

test('ranges over keys in order, from after one, by prefix, up to a limit, and over many', async () => {
  await using it = await opened()
  const table = it.tables.table<number>('t')
  await it.tables.transaction(() => {
    for (const key of ['b', 'a', 'ab', 'é', 'abc', '']) table.put(key, 1)
  })
  expect(keys(table)).toEqual(['', 'a', 'ab', 'abc', 'b', 'é'])
  expect(keys(table, { after: 'ab' })).toEqual(['abc', 'b', 'é'])
  expect(keys(table, { prefix: 'ab' })).toEqual(['ab', 'abc'])
  expect(keys(table, { prefix: 'a', after: 'ab' })).toEqual(['abc'])
  expect(keys(table, { prefix: 'b', after: 'a' })).toEqual(['b'])
  expect(keys(table, { limit: 2 })).toEqual(['', 'a'])
  const many = it.tables.table<number>('many')
  await it.tables.transaction(() => {
    for (let n = 0; n < 1000; n++) many.put(String(n).padStart(4, '0'), n)
  })
  expect(Array.from(many.range(), ({ value }) => value)).toEqual(Array.from({ length: 1000 }, (_, n) => n))
  expect(keys(many, { limit: 300 })).toHaveLength(300)
})

test('a table may be emptied while it is walked in a transaction', async () => {
  await using it = await opened()
  const table = it.tables.table<number>('t')
  await it.tables.transaction(() => {
    for (let n = 0; n < 600; n++) table.put(String(n), n)
  })
  await it.tables.transaction(() => {
    for (const { key } of table.range()) table.remove(key)
  })
  expect(keys(table)).toEqual([])
})

test('nothing is written outside a transaction, nor is one begun inside another, nor goes one on after its turn', async () => {
  await using it = await opened()
  const table = it.tables.table<number>('t')
  expect(() => table.put('a', 1)).toThrow('not inside a transaction')
  expect(() => table.remove('a')).toThrow('not inside a transaction')
  await expect(it.tables.transaction(() => void it.tables.transaction(() => {}).catch(() => {}))).resolves.toBeUndefined()
  await expect(it.tables.transaction(async () => table.put('a', 1))).rejects.toMatchObject({ code: 'internal' })
  expect(table.get('a')).toBeUndefined()
})

test('what follows a commit follows it, and does not follow what is undone', async () => {
  await using it = await opened()
  const table = it.tables.table<number>('t')
  const seen: unknown[] = []
  await it.tables.transaction(() => {
    table.put('a', 1)
    it.tables.afterCommit(() => seen.push(table.get('a')))
  })
  const undone = it.tables.transaction(() => {
    it.tables.afterCommit(() => seen.push('undone'))
    throw new Error('no')
  })
  await expect(undone).rejects.toThrow('no')
  expect(seen).toEqual([1])
  expect(() => it.tables.afterCommit(() => {})).toThrow('not inside a transaction')
})

test('a key that is too long is refused where it is written, and not found where it is read', async () => {
  await using it = await opened()
  const table = it.tables.table<number>('t')
  const long = 'x'.repeat(2000)
  await expect(it.tables.transaction(() => table.put(long, 1))).rejects.toMatchObject({ code: 'invalid_argument' })
  expect(table.get(long)).toBeUndefined()
  await it.tables.transaction(() => {
    for (const key of ['w', 'x', 'x'.repeat(1800), 'y']) table.put(key, 1)
  })
  for (const length of [2_000, 300_000]) {
    expect(keys(table, { after: 'x'.repeat(length) })).toEqual(['y'])
    expect(keys(table, { prefix: 'x'.repeat(length) })).toEqual([])
  }
  expect(() => it.tables.table('a\0b')).toThrow('characters that may not be there')
})

test('closed tables say so', async () => {
  const it = await opened()
  const table = it.tables.table<number>('t')
  await it[Symbol.asyncDispose]()
  expect(() => table.get('a')).toThrow('they are closed')
  await expect(it.tables.transaction(() => {})).rejects.toMatchObject({ code: 'unavailable' })
  await it.tables[Symbol.asyncDispose]()
})

test('closing waits for the transactions asked for', async () => {
  await using directory = await tempDirectory()
  const first = await openTables(directory.path)
  const table = first.table<number>('t')
  const written = Promise.all(Array.from({ length: 100 }, (_, n) => first.transaction(() => table.put(String(n), n))))
  await first[Symbol.asyncDispose]()
  await written
  await using second = await openTables(directory.path)
  expect(keys(second.table('t'))).toHaveLength(100)
})

test('the same directory may be opened twice in a thread, and one closed without the other', async () => {
  await using it = await opened()
  const table = it.tables.table<number>('t')
  const twin = await openTables(it.directory)
  await twin.transaction(() => twin.table('t').put('a', 1))
  expect(table.get('a')).toBe(1)
  await twin[Symbol.asyncDispose]()
  await it.tables.transaction(() => table.put('b', 2))
  expect([table.get('a'), table.get('b')]).toEqual([1, 2])
})

test('threads and processes write beside each other, and nothing is lost', async () => {
  await using it = await opened()
  const table = it.tables.table<number>('counted')
  const threads = [1, 2].map(() => new Worker(join(here, 'tables.thread.ts'), { workerData: { directory: it.directory }, execArgv: [] }))
  const processes = [1, 2].map(() => other(it.directory, 'count'))
  const ends = [...threads, ...processes].map(async (one) => expect((await once(one, 'exit'))[0]).toBe(0))
  for (let n = 0; n < 50; n++) await it.tables.transaction(() => table.put('all', (table.get('all') ?? 0) + 1))
  await Promise.all(ends)
  expect(table.get('all')).toBe(250)
})

test('what another process committed is seen as soon as we hear of it', async () => {
  await using it = await opened()
  const table = it.tables.table<number>('counted')
  expect(table.get('mine')).toBeUndefined()
  const process = other(it.directory, 'put', 'mine')
  await once(process, 'message')
  expect(table.get('mine')).toBe(1)
  process.kill('SIGKILL')
  await once(process, 'exit')
})

test('what another thread committed is seen by the next read, though the event loop did not turn since the last', async () => {
  await using it = await opened()
  const table = it.tables.table<number>('counted')
  const turn = new Int32Array(new SharedArrayBuffer(4))
  const thread = new Worker(join(here, 'tables.thread.ts'), { workerData: { directory: it.directory, turn }, execArgv: [] })
  const ended = once(thread, 'exit')
  await once(thread, 'message')
  expect(table.get('mine')).toBeUndefined()
  Atomics.store(turn, 0, 1)
  Atomics.notify(turn, 0)
  Atomics.wait(turn, 0, 1)
  await Promise.resolve()
  expect(table.get('mine')).toBe(1)
  await ended
})

test('a process that dies inside a transaction leaves nothing of it, and holds nobody up', async () => {
  await using it = await opened()
  const table = it.tables.table<number>('counted')
  expect(await once(other(it.directory, 'die inside', 'dead'), 'exit')).toEqual([null, 'SIGKILL'])
  await it.tables.transaction(() => table.put('alive', 1))
  expect(keys(table)).toEqual(['alive'])
})

test('what a process committed before it died is there, for the living and for the next', async () => {
  await using directory = await tempDirectory()
  expect(await once(other(directory.path, 'die after', 'committed'), 'exit')).toEqual([null, 'SIGKILL'])
  await using tables = await openTables(directory.path)
  expect(tables.table('counted').get('committed')).toBe(1)
  await tables.flushed()
})

test.skipIf(process.getuid?.() !== 0)(
  'on a full disk they have some room left; when that is used up too they say so, and go on when there is room again',
  async () => {
    await using directory = await tempDirectory()
    await using _small = await mountAll([{ type: 'tmpfs', source: 'tmpfs', options: ['size=16m'] }], directory.path)
    {
      await using tables = await openTables(join(directory.path, 'meta'))
      const table = tables.table<string>('one')
      const filler = join(directory.path, 'filler')
      await expect(writeFile(filler, Buffer.alloc(16 << 20))).rejects.toMatchObject({ code: 'ENOSPC' })
      const put = (key: string) => tables.transaction(() => table.put(key, 'x'.repeat(1 << 20)))
      await put('within the room')
      const failed = async (): Promise<unknown> => {
        for (let at = 0; at < 16; at++) await put(`beyond ${at}`)
        throw new Error('there was no end of room')
      }
      await expect(failed()).rejects.toMatchObject({ code: 'resource_exhausted', message: 'commit to the tables: no space left on device' })
      expect(table.get('within the room')).toHaveLength(1 << 20)
      await rm(filler)
      await put('after')
      expect(table.get('after')).toHaveLength(1 << 20)
    }
  },
)
