import { mkdir, symlink, truncate, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { readAccounts } from '../../../actors/exec/accounts.ts'
import { AT_FDCWD, mknodat, S } from '../../../runtime/syscalls/index.ts'
import { tempDirectory } from '../../support/temp.ts'

async function makeRoot(path: string): Promise<string> {
  const root = join(path, 'root')
  await mkdir(join(root, 'etc'), { recursive: true })
  return root
}

test('an image without the files has no accounts', async () => {
  await using directory = await tempDirectory()
  expect(await readAccounts(await makeRoot(directory.path))).toEqual({ passwd: '', group: '' })
})

test('a link is followed inside the image only, whatever it says', async () => {
  await using directory = await tempDirectory()
  const root = await makeRoot(directory.path)
  await writeFile(join(directory.path, 'outside'), 'outside')
  await writeFile(join(root, 'outside'), 'inside')
  await symlink('../../../outside', join(root, 'etc/passwd'))
  await symlink(join(directory.path, 'outside'), join(root, 'etc/group'))
  expect(await readAccounts(root)).toEqual({ passwd: 'inside', group: '' })
})

test('etc itself may be a link', async () => {
  await using directory = await tempDirectory()
  const root = join(directory.path, 'root')
  await mkdir(join(root, 'real'), { recursive: true })
  await writeFile(join(root, 'real/passwd'), 'here')
  await symlink('/real', join(root, 'etc'))
  expect((await readAccounts(root)).passwd).toBe('here')
})

test('what is not an ordinary file is not opened', async () => {
  await using directory = await tempDirectory()
  const root = await makeRoot(directory.path)
  mknodat(AT_FDCWD, join(root, 'etc/passwd'), S.FIFO | 0o644)
  await expect(readAccounts(root)).rejects.toMatchObject({
    code: 'failed_precondition',
    message: 'read /etc/passwd of the image: it is not an ordinary file',
  })
})

test('a file larger than any list of users is not read', async () => {
  await using directory = await tempDirectory()
  const root = await makeRoot(directory.path)
  await writeFile(join(root, 'etc/passwd'), '')
  await truncate(join(root, 'etc/passwd'), 10 * 1024 * 1024 + 1)
  await expect(readAccounts(root)).rejects.toMatchObject({ code: 'failed_precondition' })
})

test('links in a circle are refused', async () => {
  await using directory = await tempDirectory()
  const root = await makeRoot(directory.path)
  await symlink('group', join(root, 'etc/passwd'))
  await symlink('passwd', join(root, 'etc/group'))
  await expect(readAccounts(root)).rejects.toMatchObject({ code: 'invalid_argument' })
})
