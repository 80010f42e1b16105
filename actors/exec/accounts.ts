import { readFile, stat } from 'node:fs/promises'
import { Failure } from '../../messages/grammar/index.ts'
import { errnoOf, fromErrno } from '../../runtime/errno.ts'
import { AT_FDCWD, close, O, openat, openat2, RESOLVE } from '../../runtime/syscalls/index.ts'
import type { Accounts } from './user.ts'

/** Most bytes of one such file that are looked at. */
const most = 10 * 1024 * 1024

/**
 * Read /etc/passwd and /etc/group of a root file system that anybody may have made: links lead to nowhere outside it, and only an ordinary file of
 * reasonable size is read. One that is not there is empty.
 */
export async function readAccounts(rootfs: string): Promise<Accounts> {
  const root = openat(AT_FDCWD, rootfs, O.PATH | O.DIRECTORY)
  try {
    return { passwd: await readInside(root, 'etc/passwd'), group: await readInside(root, 'etc/group') }
  } finally {
    close(root)
  }
}

async function readInside(root: number, path: string): Promise<string> {
  const attempted = `read /${path} of the image`
  let fd: number
  try {
    // Not opened for reading yet: to open a device or a fifo is to act on it.
    fd = openat2(root, path, { flags: O.PATH, resolve: RESOLVE.IN_ROOT | RESOLVE.NO_MAGICLINKS })
  } catch (error) {
    if (errnoOf(error) === 'ENOENT' || errnoOf(error) === 'ENOTDIR') return ''
    throw fromErrno(error, attempted)
  }
  try {
    return await readRegular(`/proc/self/fd/${fd}`, attempted)
  } finally {
    close(fd)
  }
}

/** The file stays the one that was looked at: its path is a descriptor. */
async function readRegular(path: string, attempted: string): Promise<string> {
  const status = await stat(path)
  if (!status.isFile()) throw new Failure('failed_precondition', `${attempted}: it is not an ordinary file`)
  if (status.size > most) throw new Failure('failed_precondition', `${attempted}: ${status.size} bytes are more than the ${most} allowed`)
  return await readFile(path, 'utf8')
}
