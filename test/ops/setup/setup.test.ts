import { execFile } from 'node:child_process'
import { chmod, mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { describe, expect, test } from 'vitest'
import { tempDirectory } from '../../support/temp.ts'

const home = join(import.meta.dirname, '../../..')
const isRoot = process.getuid?.() === 0

interface Said {
  readonly code: number
  readonly stdout: string
  readonly stderr: string
}

/** Run a program; what it says, and how it ends. */
async function said(command: string, args: readonly string[], env: NodeJS.ProcessEnv = process.env): Promise<Said> {
  const run = promisify(execFile)(command, [...args], { env, cwd: home })
  return await run.then(
    ({ stdout, stderr }) => ({ code: 0, stdout, stderr }),
    (error: Said) => ({ code: error.code, stdout: error.stdout, stderr: error.stderr }),
  )
}

/** A directory of programs that do nothing, or what they are told to, and say what they were asked. */
async function programs(directory: string, scripts: Readonly<Record<string, string>>): Promise<string> {
  const bin = join(directory, 'bin')
  await mkdir(bin, { recursive: true })
  for (const [name, script] of Object.entries(scripts)) {
    await writeFile(join(bin, name), `#!/bin/sh\n${script}\n`)
    await chmod(join(bin, name), 0o755)
  }
  return bin
}

describe('set-up', () => {
  test('finds nothing to do on a machine that has everything, and says nothing', async () => {
    expect(await said('sh', ['ops/setup/setup.sh', 'test'])).toEqual({ code: 0, stdout: '', stderr: '' })
  })

  test('on something other than Linux says what is wanted, on one line', async () => {
    await using directory = await tempDirectory()
    const bin = await programs(directory.path, { uname: 'echo Darwin' })
    const { code, stderr } = await said('sh', ['ops/setup/setup.sh', 'demo'], { ...process.env, PATH: `${bin}:${process.env['PATH']}` })
    expect(code).toBe(1)
    expect(stderr).toMatch(/^setup: Gantry needs Linux .*; this is Darwin\. .*Debian 12.*\n$/)
  })

  // A mount over the directories of system programs makes a machine that lacks them.
  test.runIf(isRoot)('tells an ordinary user the command for what is missing, and what is left out', async () => {
    await using directory = await tempDirectory()
    const bin = await programs(directory.path, {})
    const script = `
      mount --bind ${bin} /usr/sbin && mount --bind ${bin} /usr/local/sbin
      exec setpriv --reuid 65534 --regid 65534 --clear-groups ${process.execPath} --disable-warning=ExperimentalWarning ops/setup/main.ts demo`
    const { code, stdout } = await said('unshare', ['--mount', 'sh', '-c', script], { PATH: '/usr/bin:/bin' })
    expect(code).toBe(0)
    expect(stdout).toContain('sudo apt-get install --yes --no-install-recommends nats-server')
    expect(stdout).toContain('nats-server: the bus a node starts for itself')
  })
})
