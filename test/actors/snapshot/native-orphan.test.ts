import { execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { expect, test } from 'vitest'
import { native } from '../../../actors/snapshot/native.ts'
import { tempDirectory } from '../../support/temp.ts'

const active = (id: string, ...ancestors: string[]) => ({ id, kind: 'active', ancestors }) as const

/** A program cp that says when it begins, waits to be told, writes a file into its target and says that it ends: by pipes in its directory. */
const slowCopy = `#!/bin/sh
pipes=$(dirname "$0")
for target; do :; done
echo > "$pipes/began"
read -r _ < "$pipes/go"
echo late > "$target/late"
echo > "$pipes/ended"
`

test('a copy that outlives a killed node writes nothing into what the next one makes in its place', async () => {
  await using directory = await tempDirectory()
  const [store, bin] = [join(directory.path, 'store'), join(directory.path, 'bin')]
  const driver = native(store)
  await driver.prepare(active('1'))
  await writeFile(join(store, '1/fs/file'), 'text')
  await mkdir(bin)
  await writeFile(join(bin, 'cp'), slowCopy, { mode: 0o755 })
  await promisify(execFile)(
    'mkfifo',
    ['began', 'go', 'ended'].map((name) => join(bin, name)),
  )

  const module = join(import.meta.dirname, '../../../actors/snapshot/native.ts')
  const program = `import { native } from ${JSON.stringify(module)}
    await native(${JSON.stringify(store)}).prepare(${JSON.stringify(active('2', '1'))})`
  const env = { ...process.env, PATH: `${bin}:${process.env['PATH']}` }
  const node = spawn(process.execPath, ['--input-type=module', '--eval', program], { env, stdio: ['ignore', 'ignore', 'inherit'] })
  await readFile(join(bin, 'began'))
  node.kill('SIGKILL')
  await once(node, 'exit')

  await driver.prepare(active('2', '1'))
  await writeFile(join(bin, 'go'), '\n')
  await readFile(join(bin, 'ended'))
  expect(await readdir(join(store, '2/fs'))).toEqual(['file'])
})
