import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdir, readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { livingAt, thisProcess } from '../../runtime/alive.ts'
import { openLifeline } from '../../runtime/lifeline.ts'
import { noLog } from '../../runtime/no-log.ts'
import { tempDirectory } from '../support/temp.ts'

/** Another process that listens in `directory`. */
async function other(directory: string) {
  const code = `const { openLifeline } = await import(${JSON.stringify(new URL('../../runtime/lifeline.ts', import.meta.url).href)})
    const log = { debug() {}, info() {}, warn() {}, error() {} }
    const line = await openLifeline({ directory: ${JSON.stringify(directory)}, log })
    process.on('SIGTERM', () => line[Symbol.asyncDispose]())
    console.log('ready'); setInterval(() => {}, 1000)`
  const child = spawn(process.execPath, ['--input-type=module', '-e', code], { stdio: ['ignore', 'pipe', 'inherit'] })
  await once(child.stdout, 'data')
  const living = await livingAt(child.pid ?? 0)
  if (!living) throw new Error('it ended')
  return {
    living,
    letGo: () => child.kill('SIGTERM'),
    async kill() {
      const over = once(child, 'exit')
      child.kill('SIGKILL')
      await over
    },
    async [Symbol.asyncDispose]() {
      if (child.exitCode === null && child.signalCode === null) await this.kill()
    },
  }
}

test('is told when another process is killed', async () => {
  await using root = await tempDirectory()
  // Deeper than the path of a socket may be.
  const directory = join(root.path, 'd'.repeat(200))
  await using child = await other(directory)
  await using line = await openLifeline({ directory, log: noLog })
  const ended = Promise.withResolvers<void>()
  using _outlived = line.outlive(child.living, ended.resolve)
  await child.kill()
  await ended.promise
})

test('is told when another process lets go, though it lives', async () => {
  await using root = await tempDirectory()
  await using child = await other(root.path)
  await using line = await openLifeline({ directory: root.path, log: noLog })
  const ended = Promise.withResolvers<void>()
  using _outlived = line.outlive(child.living, ended.resolve)
  child.letGo()
  await ended.promise
})

test('is told at once of what is dead already, and takes its socket away', async () => {
  await using root = await tempDirectory()
  const child = await other(root.path)
  await child.kill()
  expect(await readdir(root.path)).toHaveLength(1)
  await using line = await openLifeline({ directory: root.path, log: noLog })
  const { pid, started } = await thisProcess()
  expect(await readdir(root.path)).toEqual([`${pid}-${started}`])
  const ended = Promise.withResolvers<void>()
  using _outlived = line.outlive(child.living, ended.resolve)
  await ended.promise
})

test('is not told any more once it leaves off', async () => {
  await using root = await tempDirectory()
  await using child = await other(root.path)
  await using line = await openLifeline({ directory: root.path, log: noLog })
  const told: string[] = []
  const ended = Promise.withResolvers<void>()
  line.outlive(child.living, () => told.push('left off'))[Symbol.dispose]()
  using _outlived = line.outlive(child.living, ended.resolve)
  await child.kill()
  await ended.promise
  expect(told).toEqual([])
})

test('goes on without where it cannot listen', async () => {
  await using root = await tempDirectory()
  const { pid, started } = await thisProcess()
  await mkdir(join(root.path, `${pid}-${started}`))
  await using _line = await openLifeline({ directory: root.path, log: noLog })
  expect(await readdir(root.path)).toHaveLength(1)
})
