import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { expect, test } from 'vitest'
import { livingAt } from '../../runtime/alive.ts'
import { endAwaited, endGroupAwaited, watchEnd } from '../../runtime/dying.ts'
import { errnoOf } from '../../runtime/errno.ts'

const { signal } = new AbortController()

/** A shell that leads a group of its own and says the pid of each of its children, none of which is ours. */
async function family(script: string): Promise<AsyncDisposable & { leader: ChildProcess & { pid: number }; said: number[] }> {
  const leader = spawn('/bin/sh', ['-c', script], { stdio: ['pipe', 'pipe', 'ignore'], detached: true })
  const over = once(leader, 'exit')
  const [bytes] = await once(leader.stdout, 'data')
  const said = String(bytes).trim().split(' ').map(Number)
  const dispose = async () => {
    for (const pid of [leader.pid as number, ...said]) if (await livingAt(pid)) killed(pid)
    await over
  }
  return { leader: leader as ChildProcess & { pid: number }, said, [Symbol.asyncDispose]: dispose }
}

/** It may have ended by itself since it was looked at. */
function killed(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL')
  } catch (error) {
    if (errnoOf(error) !== 'ESRCH') throw error
  }
}

const child = 'sleep 1000 </dev/null >/dev/null & a=$!'

test('the end of a process that is no child is told', async () => {
  await using it = await family(`${child}; echo $a; wait`)
  const [pid = 0] = it.said
  using watched = watchEnd(pid)
  process.kill(pid, 'SIGKILL')
  await watched.ended
  expect(await livingAt(pid)).toBeUndefined()
})

test('what is not there has ended', async () => {
  await using it = await family(`${child}; echo $a; wait`)
  it.leader.kill('SIGKILL')
  await once(it.leader, 'exit')
  await watchEnd(it.leader.pid).ended
})

test('a process that ends after the watch was given up is not told of', async () => {
  await using it = await family(`${child}; echo $a; wait`)
  const [pid = 0] = it.said
  using kept = watchEnd(pid)
  const given = watchEnd(pid)
  const told: string[] = []
  given.ended.then(() => told.push('given up'))
  given[Symbol.dispose]()
  process.kill(pid, 'SIGKILL')
  await kept.ended.then(() => told.push('kept'))
  expect(told).toEqual(['kept'])
})

test('a process has ended once its end was awaited', async () => {
  await using it = await family(`${child}; echo $a; wait`)
  const [pid = 0] = it.said
  await endAwaited(pid, { signal })
  expect(await livingAt(pid)).toBeUndefined()
})

test('a group has ended, all of it, once its end was awaited', async () => {
  await using it = await family(`${child}; ${child.replace('a=', 'b=')}; echo $a $b; wait`)
  expect(it.said).toHaveLength(2)
  await endGroupAwaited(it.leader.pid, { signal })
  expect(await Promise.all([it.leader.pid, ...it.said].map(livingAt))).toEqual([undefined, undefined, undefined])
})

test('waiting for an end gives up when told to', async () => {
  await using it = await family(`${child}; echo $a; wait`)
  const [pid = 0] = it.said
  await expect(endAwaited(pid, { signal: AbortSignal.abort(new Error('enough')) })).rejects.toThrow('enough')
})
