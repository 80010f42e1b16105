import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { access } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { mountedUnder } from '../../../runtime/mounts.ts'
import { openRoom, processesOf, runtimesHere } from '../../support/room.ts'
import { tempDirectory } from '../../support/temp.ts'

/** What appears, step by step, while a task is made and started, below the node's root. */
const steps = [
  'containers/c',
  'containers/c/rootfs/bin',
  'containers/c/config.json',
  'containers/c/ctl',
  'containers/c/log',
  'containers/c/pid',
  'exits/c',
]

describe.each(await runtimesHere())('under $name', ({ path: runtime }) => {
  test.each(steps)('a node killed when %s was there finds, back again, no task or a whole one, and nothing else', async (step) => {
    await using directory = await tempDirectory()
    const root = directory.path
    await runUntil(join(root, step), { root, runtime })
    {
      await using room = await openRoom({ root, runtime })
      const { tasks } = await room.exec.list({})
      if (tasks.length === 0) {
        expect(await mountedUnder(root)).toEqual([])
        expect(await processesOf(join(root, 'containers'))).toEqual([])
        await room.exec.create({ id: 'c' })
      }
      const { state } = await room.exec.state({ id: 'c' })
      if (state === 'created') await room.exec.start({ id: 'c' })
      expect(await room.exitCode('c')).toBe(6)
      expect((await room.output('c')).stdout).toBe('up\n')
      await room.exec.remove({ id: 'c' })
      expect(await mountedUnder(root)).toEqual([])
      expect(await processesOf(join(root, 'containers'))).toEqual([])
    }
  })
})

/** Run a node until `path` is there, then kill it. */
async function runUntil(path: string, { root, runtime }: { root: string; runtime: string }): Promise<void> {
  const script = join(import.meta.dirname, 'kill.process.ts')
  const child = spawn(process.execPath, [script, root, runtime], { stdio: ['ignore', 'ignore', 'inherit'] })
  const exited = once(child, 'exit')
  while (child.exitCode === null && !(await exists(path))) await new Promise((resolve) => setImmediate(resolve))
  expect(child.exitCode).toBe(null)
  child.kill('SIGKILL')
  await exited
}

const exists = (path: string) =>
  access(path).then(
    () => true,
    () => false,
  )
