import { execFile } from 'node:child_process'
import { chown } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { expect, test } from 'vitest'
import { tempDirectory } from '../../support/temp.ts'

const run = promisify(execFile)
const nobody = 65534

/** What the program beside this one says, run by an ordinary user as root of a user namespace; undefined where users may not have one. */
async function asUser(root: string): Promise<unknown> {
  const user = ['setpriv', `--reuid=${nobody}`, `--regid=${nobody}`, '--clear-groups']
  const namespace = ['unshare', '--user', '--map-root-user', '--mount']
  const may = await run('env', [...user, ...namespace, 'true']).then(
    () => true,
    () => false,
  )
  if (!may) return undefined
  await chown(root, nobody, nobody)
  const program = join(import.meta.dirname, 'rootless.process.ts')
  const { stdout } = await run('env', [...user, ...namespace, process.execPath, program, root])
  return JSON.parse(stdout)
}

test('an ordinary user has overlay in a user namespace, whole: layers written, layers applied side by side, views', async (context) => {
  await using directory = await tempDirectory()
  const seen = await asUser(directory.path)
  if (seen === undefined) return context.skip('this machine has no user namespaces')
  expect(seen).toEqual({
    driver: expect.objectContaining({ name: 'overlay', usable: true, rebase: true }),
    written: { names: ['hidden', 'kept', 'moved'], hidden: ['new'], moved: 'old', mode: '640' },
    applied: { names: ['hidden', 'kept'], hidden: ['new'] },
    marks: ['user.overlay.opaque'],
    refused: 'EROFS',
    usage: 6,
    mounted: 0,
  })
})
