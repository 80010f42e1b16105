import { errnoOf } from '../../../runtime/errno.ts'
import { opaqueName } from '../../../runtime/overlay-marks.ts'
import { cstring, lgetxattr, llistxattr } from '../../../runtime/syscalls/index.ts'
import { quoted } from '../invalid.ts'
import type { Powers } from '../powers.ts'
import type { Expected } from './expected.ts'

interface Rules {
  /** only what overlayfs reads is compared */
  readonly marksOnly: boolean
  /** what overlayfs reads is compared */
  readonly marks: boolean
  readonly powers: Powers
  /** access lists may come from a directory above */
  readonly inherits: boolean
}

/** What is not as it should be in the extended attributes of a path, latin1, whose last part is no link to follow. Attributes that are the host's do not count. */
export function differenceOfXattrs(path: string, expected: Expected, { marksOnly, marks, inherits, powers }: Rules): string | undefined {
  const at = cstring(Buffer.from(path, 'latin1'))
  const names = namesOf(at)
  if (names === undefined) return undefined
  if (marks && names.has(opaqueName()) !== expected.opaque)
    return expected.opaque ? 'it does not hide what is below it' : 'it hides what is below it'
  if (marksOnly) return undefined
  for (const [name, value] of expected.xattrs) {
    if (isHosts(name) || !isKept(expected, name)) continue
    if (!names.delete(name)) {
      if (isPlainList(name, value) || (!powers.all && name.startsWith('security.'))) continue
      return `attribute ${quoted(name)} is missing`
    }
    if (!lgetxattr(at, cstring(Buffer.from(name, 'latin1'))).equals(value)) return `attribute ${quoted(name)} is another`
  }
  for (const name of names) {
    if (isHosts(name) || expected.xattrs.has(name) || (inherits && name.startsWith('system.posix_acl_'))) continue
    return `attribute ${quoted(name)}, which the layer does not give it`
  }
  return undefined
}

/** Undefined where the file system keeps none. */
function namesOf(at: ReturnType<typeof cstring>): Set<string> | undefined {
  try {
    return new Set(llistxattr(at))
  } catch (error) {
    if (['ENOTSUP', 'EOPNOTSUPP'].includes(errnoOf(error) ?? '')) return undefined
    throw error
  }
}

/** Set by the machine it is on, never by a layer. */
const isHosts = (name: string): boolean =>
  name.startsWith('trusted.') || name.startsWith('user.overlay.') || /^security\.(selinux|apparmor|ima|evm|SMACK64.*)$/.test(name)

/** The kernel keeps `user.*` of files and directories only. */
const isKept = ({ kind }: Expected, name: string): boolean => kind === 'file' || kind === 'directory' || !name.startsWith('user.')

/** A list that says no more than the mode does is not kept: a head and three entries. */
const isPlainList = (name: string, { length }: Uint8Array): boolean => name === 'system.posix_acl_access' && length <= 28
