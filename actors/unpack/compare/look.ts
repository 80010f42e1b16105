import { Failure } from '../../../messages/grammar/index.ts'
import { errnoOf, fromErrno } from '../../../runtime/errno.ts'
import { nameRoom, S, type Status, SystemError, tryStatx } from '../../../runtime/syscalls/index.ts'
import type { Directory } from '../directory.ts'
import { quoted } from '../invalid.ts'
import type { Tree } from '../tree.ts'

/** What a name in a directory is; undefined when there is nothing that a layer could have. */
export function look(tree: Tree, directory: Directory, name: string): Status | undefined {
  const found = lookRaw(tree, directory, name)
  return found === undefined || isMark(found) || (found.mode & S.FMT) === S.SOCK ? undefined : found
}

/** As {@link look}, but marks of overlayfs, and sockets, are something. */
export function lookRaw(tree: Tree, directory: Directory, name: string): Status | undefined {
  const found = tryStatx(tree.fd(directory), room.write(name))
  if (typeof found !== 'number') return found
  if (found === ENOENT) return undefined
  throw fromErrno(new SystemError(-found, 'statx'), `read ${quoted(directory.below(name))}`)
}

/** The device with which overlayfs says that there is nothing. */
export const isMark = ({ mode, major, minor }: Status): boolean => (mode & S.FMT) === S.CHR && major === 0 && minor === 0

/** Names in a directory, by their bytes; none when it is gone. Fails with failed_precondition when one cannot be in a layer. */
export function namesOf(tree: Tree, directory: Directory): string[] {
  const names = listed(tree, directory).sort()
  const forbidden = names.find((name) => name.startsWith('.wh.'))
  if (forbidden !== undefined)
    throw new Failure(
      'failed_precondition',
      `read ${quoted(directory.below(forbidden))}: a name that begins with .wh. would mean a removal in a layer`,
    )
  return names
}

function listed(tree: Tree, directory: Directory): string[] {
  try {
    return tree.names(directory)
  } catch (error) {
    if (['ENOENT', 'ENOTDIR', 'ELOOP'].includes(errnoOf(error) ?? '')) return []
    throw fromErrno(error, `list ${quoted(directory.path() || '.')}`)
  }
}

const ENOENT = -2
const room = nameRoom()
