import { open, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { livingAt } from '../../runtime/alive.ts'
import { end, launch, run } from '../../runtime/processes.ts'
import { tempDirectory } from '../support/temp.ts'

test('a program is run to its end, and what it says and how it ends is known', async () => {
  expect(await run('sh', ['-c', 'cat; echo err >&2; exit 3'], { input: 'in' })).toEqual({ stdout: 'in', stderr: 'err\n', code: 3 })
})

test('arguments are arguments, not shell', async () => {
  expect((await run('echo', ['$HOME; `id`'])).stdout).toBe('$HOME; `id`\n')
})

test('a program a signal ended has 128 + its number', async () => {
  expect((await run('sh', ['-c', 'kill -TERM $$'])).code).toBe(143)
})

test('a program that is not there is ENOENT', async () => {
  await expect(run('/no/such/program', [])).rejects.toMatchObject({ code: 'ENOENT' })
  await expect(launch('/no/such/program', [])).rejects.toMatchObject({ code: 'ENOENT' })
})

test('no more is kept of an output than asked for, and the program still ends', async () => {
  const { stdout, code } = await run('sh', ['-c', 'head -c 1000000 /dev/zero | tr "\\0" x'], { limit: 10 })
  expect({ stdout, code }).toEqual({ stdout: 'xxxxxxxxxx', code: 0 })
})

test('a program that does not read what it is given harms nobody', async () => {
  expect((await run('true', [], { input: Buffer.alloc(1024 * 1024) })).code).toBe(0)
})

test('gives up when told to, and ends what it started, and what that started', async () => {
  await using directory = await tempDirectory()
  const pidFile = join(directory.path, 'pid')
  const caller = new AbortController()
  const running = run('sh', ['-c', `sleep 1000 & echo $! > ${pidFile}; wait`], { signal: caller.signal })
  let pid = 0
  while (pid === 0) pid = Number(await readFile(pidFile, 'utf8').catch(() => '0'))
  caller.abort(new Error('enough'))
  await expect(running).rejects.toThrow('enough')
  while (await livingAt(pid)) await new Promise((resolve) => setImmediate(resolve))
  await expect(run('true', [], { signal: AbortSignal.abort(new Error('before')) })).rejects.toThrow('before')
})

test('a launched program says its line and goes on by itself, in a session of its own', async () => {
  await using directory = await tempDirectory()
  await using log = await open(join(directory.path, 'log'), 'a')
  const launched = await launch('sh', ['-c', 'echo to the log; echo line >&3; exec 3>&-; exec sleep 1000'], { log: log.fd })
  expect(await launched.said).toBe('line')
  expect(await readFile(join(directory.path, 'log'), 'utf8')).toBe('to the log\n')
  const [, session] = /\) . \d+ \d+ (\d+)/.exec(await readFile(`/proc/${launched.pid}/stat`, 'utf8')) ?? []
  expect(Number(session)).toBe(launched.pid)
  end(launched.pid)
  expect(await launched.ended).toBe(137)
})

test('one that says nothing has said nothing', async () => {
  const launched = await launch('sh', ['-c', 'exit 4'])
  expect(await launched.said).toBe('')
  expect(await launched.ended).toBe(4)
})
