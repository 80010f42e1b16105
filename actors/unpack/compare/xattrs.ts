import { errnoOf, fromErrno } from '../../../runtime/errno.ts'
import { cstring, lgetxattr, llistxattr } from '../../../runtime/syscalls/index.ts'
import type { Directory } from '../directory.ts'
import { quoted } from '../invalid.ts'
import type { Tree } from '../tree.ts'

/** Extended attributes by name, latin1, in the order of their names. */
export type Xattrs = ReadonlyMap<string, Buffer>

/** What of the attributes of a name in a directory (of the directory itself, if empty) belongs to a layer: neither the machine's nor what overlayfs keeps there. */
export const xattrsOf = (tree: Tree, directory: Directory, name: string): Xattrs => read(tree, directory, name, isLayers)

/**
 * What overlayfs has to say of a name in a directory, by name without the prefix. Anybody may write what begins with the other prefix, and means nothing by it.
 */
export function marksOf(tree: Tree, directory: Directory, name: string, { userxattr }: { userxattr: boolean }): Xattrs {
  const prefix = userxattr ? 'user.overlay.' : 'trusted.overlay.'
  const found = read(tree, directory, name, (key) => key.startsWith(prefix))
  return new Map([...found].map(([key, value]) => [key.slice(prefix.length), value]))
}

export const sameXattrs = (one: Xattrs, other: Xattrs): boolean =>
  one.size === other.size && [...one].every(([name, value]) => other.get(name)?.equals(value) === true)

/** Set by the machine it is on, or read by the file system it is in. */
const isLayers = (name: string): boolean =>
  !name.startsWith('trusted.') &&
  !name.startsWith('user.overlay.') &&
  !name.startsWith('user.fuseoverlayfs.') &&
  !/^security\.(selinux|apparmor|ima|evm|SMACK64.*)$/.test(name)

function read(tree: Tree, directory: Directory, name: string, wanted: (key: string) => boolean): Xattrs {
  const at = cstring(Buffer.from(`/proc/self/fd/${tree.fd(directory)}/${name || '.'}`, 'latin1'))
  const found = new Map<string, Buffer>()
  try {
    for (const key of llistxattr(at).filter(wanted).sort()) found.set(key, lgetxattr(at, cstring(Buffer.from(key, 'latin1'))))
    return found
  } catch (error) {
    const errno = errnoOf(error) ?? ''
    if (errno === 'ENOTSUP' || errno === 'EOPNOTSUPP') return none
    // gone, or changed, while it was read
    if (errno === 'ENOENT' || errno === 'ENODATA') return found
    throw fromErrno(error, `read the attributes of ${quoted(name ? directory.below(name) : directory.path() || '.')}`)
  }
}

const none: Xattrs = new Map()
