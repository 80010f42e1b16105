import { createHash } from 'node:crypto'
import { type BigIntStats, closeSync, lstatSync, openSync, readdirSync, readlinkSync, readSync } from 'node:fs'
import { cstring, lgetxattr, llistxattr } from '../../runtime/syscalls/index.ts'

/**
 * Everything about the files below a directory that a layer can say: a line for each, by path (one character a byte), sorted. Kind, mode, owner, time to the nanosecond,
 * size, device, link target, the first name below the directory of the same inode, attributes, digest of the content. Two directories with the same lines are the same root file system.
 */
export function fileTree(root: string, options: { skipTimes?: boolean } = {}): Map<string, string> {
  const lines = new Map<string, string>()
  const firstNames = new Map<bigint, string>()
  const visit = (path: Buffer, name: string) => {
    const stat = lstatSync(path, { bigint: true })
    lines.set(name || '.', describe(path, { name, stat, firstNames, ...options }))
    if (!stat.isDirectory()) return
    const names = readdirSync(path, { encoding: 'buffer' }) as unknown as Buffer[]
    for (const child of names.toSorted(Buffer.compare)) {
      const text = child.toString('latin1')
      visit(Buffer.concat([path, Buffer.from('/'), child]), name ? `${name}/${text}` : text)
    }
  }
  visit(Buffer.from(root), '')
  return lines
}

/** What differs between two trees, as lines of a diff. */
export function treeDifference(expected: Map<string, string>, actual: Map<string, string>): string[] {
  const names = [...new Set([...expected.keys(), ...actual.keys()])].toSorted()
  return names.flatMap((name) => {
    const [a, b] = [expected.get(name), actual.get(name)]
    return a === b ? [] : [`- ${name} ${a ?? 'is not there'}`, `+ ${name} ${b ?? 'is not there'}`]
  })
}

function describe(
  path: Buffer,
  { name, stat, firstNames, skipTimes }: { name: string; stat: BigIntStats; firstNames: Map<bigint, string>; skipTimes?: boolean },
): string {
  const kind = (stat.mode & 0o170000n).toString(8)
  const parts = [kind, (stat.mode & 0o7777n).toString(8), `${stat.uid}:${stat.gid}`]
  if (!skipTimes) parts.push(`time ${stat.mtimeNs}`)
  if (stat.isCharacterDevice() || stat.isBlockDevice()) parts.push(`device ${stat.rdev}`)
  if (stat.isSymbolicLink()) parts.push(`→ ${readlinkSync(path, 'latin1')}`)
  if (stat.isFile()) parts.push(`size ${stat.size}`, digestOf(path))
  if (!stat.isDirectory() && stat.nlink > 1n) {
    const first = firstNames.get(stat.ino)
    if (first === undefined) firstNames.set(stat.ino, name)
    else parts.push(`same as ${first}`)
  }
  const attributes = llistxattr(cstring(path)).filter(
    (attribute) => !attribute.startsWith('trusted.overlay.') && attribute !== 'security.selinux',
  )
  for (const attribute of attributes.toSorted())
    parts.push(`${attribute}=${lgetxattr(cstring(path), cstring(Buffer.from(attribute, 'latin1'))).toString('hex')}`)
  return parts.join(' ')
}

const piece = Buffer.allocUnsafe(1 << 20)

function digestOf(path: Buffer): string {
  const hash = createHash('sha256')
  const file = openSync(path, 'r')
  try {
    for (let count = readSync(file, piece); count > 0; count = readSync(file, piece)) hash.update(piece.subarray(0, count))
  } finally {
    closeSync(file)
  }
  return hash.digest('hex')
}
