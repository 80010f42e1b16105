import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { startChild } from '../support/child.ts'
import { digestOf, startStore } from '../support/content.ts'
import { digestsOf, unsound } from '../support/sound.ts'
import { tempDirectory } from '../support/temp.ts'
import { brought, takeSteps } from './steps.ts'

/** Calls that change what others see on disk, as strace names them on any machine: a step is the way from one of them to the next. */
const changes = ['pwrite', 'rename', 'unlink', 'mkdir', 'rmdir', 'f?chmod', 'ftruncate', 'utimens', 'syncfs']

/** On the way into the nth call of a kind, counted by thread. */
interface Step {
  readonly change: string
  readonly n: number
}

/** Take the steps in a process under strace. Its exit code, undefined when it was killed. */
async function strace(root: string, options: readonly string[]): Promise<number | undefined> {
  // With one thread for files their calls come one after the other.
  const through = ['strace', '-f', '-qq', '-e', 'signal=none', '-E', 'UV_THREADPOOL_SIZE=1', ...options]
  await using child = startChild(new URL('./steps.process.ts', import.meta.url), [root], { through })
  return await child.ended
}

/** Every step there is, in a process nobody kills. */
async function everyStep(): Promise<Step[]> {
  await using root = await tempDirectory()
  const log = join(root.path, 'trace')
  // Once before, so that what is compiled is kept already: keeping it is no step of the store.
  await using first = startChild(new URL('./steps.process.ts', import.meta.url), [join(root.path, 'first')])
  expect(await first.ended).toBe(0)
  expect(await strace(join(root.path, 'root'), ['-o', log, '-e', `trace=/^(${changes.join('|')})`])).toBe(0)
  const calls = (await readFile(log, 'utf8')).split('\n')
  return changes.flatMap((change) => {
    const threads = Map.groupBy(calls, (call) => new RegExp(`^(\\d+) +${change}`).exec(call)?.[1])
    threads.delete(undefined)
    const most = Math.max(0, ...threads.values().map(({ length }) => length))
    expect(most, `calls of ${change}`).toBeGreaterThan(0)
    return Array.from({ length: most }, (_, index) => ({ change, n: index + 1 }))
  })
}

/** Kill it there, and go on. Whether it came to that: calls of a run before need not all be made again. */
async function killedAt({ change, n }: Step): Promise<boolean> {
  await using root = await tempDirectory()
  const code = await strace(root.path, ['-o', '/dev/null', '-e', `trace=/^${change}`, '-e', `inject=/^${change}:signal=KILL:when=${n}`])
  if (code) throw new Error(`the steps ended with ${code}, not killed at ${change} ${n}`)
  await using store = await startStore({ root: root.path })
  expect(await unsound(store), `killed at ${change} ${n}`).toEqual([])
  await takeSteps(store)
  expect(await unsound(store), `gone on from ${change} ${n}`).toEqual([])
  expect((await digestsOf(store)).toSorted()).toEqual(brought.map((bytes) => digestOf(bytes)).toSorted())
  return code === undefined
}

test('killed at any step of putting, sending, committing, aborting and removing, it leaves nothing behind and goes on', async () => {
  const steps = await everyStep()
  const left = steps.values()
  let killed = 0
  const lane = async () => {
    for (const step of left) if (await killedAt(step)) killed++
  }
  await Promise.all([lane(), lane(), lane()])
  expect(killed).toBeGreaterThan(steps.length * 0.8)
}, 600_000)
