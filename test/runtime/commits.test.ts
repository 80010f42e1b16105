import { join } from 'node:path'
import { expect, test } from 'vitest'
import { openCommits } from '../../runtime/commits.ts'
import { openTables } from '../../runtime/tables.ts'
import { startChild } from '../support/child.ts'
import { tempDirectory } from '../support/temp.ts'

/** Whether a process with tables ends well, though the system fails what strace is told to have fail. */
async function endsWell(directory: string, fail: string): Promise<boolean> {
  const through = [
    'strace',
    '-f',
    '-qq',
    '-o',
    '/dev/null',
    '-e',
    'signal=none',
    '-e',
    `trace=${fail.split(':')[0]}`,
    '-e',
    `inject=${fail}`,
  ]
  await using child = startChild(new URL('./commits.process.ts', import.meta.url), [directory], { through })
  await child.ended
  return child.said.includes('well')
}

test('a transaction is over once it is seen, whatever becomes of it on the disk; who waits for the disk is told', async () => {
  await using root = await tempDirectory()
  const directory = join(root.path, 'meta')
  expect(await endsWell(directory, 'fdatasync:error=EIO:delay_enter=500000')).toBe(true)
  await using tables = await openTables(directory)
  expect(tables.table('t').get('a')).toBe(1)
})

/** A tree whose writing thread tells what the test has it tell. */
function someTree() {
  const env = {
    lastTxnId: 0,
    told: (_status: number): unknown => undefined,
    startWriting: (_: number, told: (status: number) => unknown) => void (env.told = told),
    info: () => env,
  }
  let run = () => {}
  const kept = Promise.withResolvers<void>()
  const tree = {
    env,
    transaction: (work: () => void) => {
      run = work
      env.startWriting(0, (status) => void (status === 2 && run()))
      return kept.promise
    },
    childTransaction: (work: () => unknown) => work(),
    getWriteTxnId: () => 7,
  }
  return { tree, env, kept }
}

test('what ran is seen when the thread that writes says so and the number of the latest transaction agrees, and before it is on disk', async () => {
  const { tree, env, kept } = someTree()
  const over: string[] = []
  const one = openCommits(tree).run(() => 1)
  void one.seen.then(() => over.push('seen'))
  void one.kept.then(() => over.push('kept'))
  env.told(2)
  env.told(1)
  await new Promise(setImmediate)
  expect(over).toEqual([])
  env.lastTxnId = 7
  env.told(1)
  await new Promise(setImmediate)
  expect(over).toEqual(['seen'])
  kept.resolve()
  await one.kept
  expect(await one.seen).toBe(1)
})

test('when no transaction can be begun any more, those asked for are told, and so is who asks then', async () => {
  const { tree, env } = someTree()
  const commits = openCommits(tree)
  const { seen, kept } = commits.run(() => 1)
  env.told(-30_795)
  const why = 'no transaction can be begun any more (lmdb error -30795)'
  await expect(seen).rejects.toThrow(why)
  await expect(kept).rejects.toThrow(why)
  expect(() => commits.run(() => 2)).toThrow(why)
})

test('those asked for at once, and those asked for by those, all come to be, in the order they were asked for', async () => {
  await using root = await tempDirectory()
  await using tables = await openTables(join(root.path, 'meta'))
  const table = tables.table<number>('t')
  const seen: number[] = []
  const next = (n: number): Promise<unknown> =>
    tables.transaction(() => {
      tables.afterCommit(() => seen.push(table.get(`${n}`) ?? -1))
      table.put(`${n}`, n)
    })
  const all = Array.from({ length: 50 }, (_, n) => next(n).then(() => Promise.all([next(50 + 2 * n), next(51 + 2 * n)])))
  await Promise.all(all)
  expect(seen.toSorted((one, other) => one - other)).toEqual(Array.from({ length: 150 }, (_, n) => n))
  expect(seen.slice(0, 50)).toEqual(Array.from({ length: 50 }, (_, n) => n))
  await tables.flushed()
})

test('one that throws is undone alone, before it is told so', async () => {
  await using root = await tempDirectory()
  await using tables = await openTables(join(root.path, 'meta'))
  const table = tables.table<number>('t')
  const refused = tables.transaction(() => {
    table.put('refused', 1)
    throw new Error('no')
  })
  const beside = tables.transaction(() => table.put('beside', 1))
  await expect(refused).rejects.toThrow('no')
  await beside
  expect([...table.range()].map(({ key }) => key)).toEqual(['beside'])
})
