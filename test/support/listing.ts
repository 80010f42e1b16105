import { createHash } from 'node:crypto'
import { readdirSync, readFileSync } from 'node:fs'
import { cstring, lgetxattr, llistxattr, readlinkat, S, statx } from '../../runtime/syscalls/index.ts'

/** What a file is, as far as an image says it. */
export interface Listed {
  readonly kind: string
  readonly mode: string
  readonly owner: string
  readonly mtime: string
  readonly content?: string
  readonly target?: string
  readonly device?: string
  readonly xattrs?: Readonly<Record<string, string>>
  /** the first of the names of the same file */
  readonly same?: string
}

/** Everything below a directory, by path (latin1), the directory itself left out. Sorted, so that two can be compared. */
export function listing(root: string): Record<string, Listed> {
  const listed: [string, Listed][] = []
  const inodes = new Map<string, string>()
  const walk = (directory: Buffer, prefix: string): void => {
    const names = readdirSync(directory, { encoding: 'buffer' }).map((name) => name.toString('latin1'))
    for (const name of names.sort()) {
      const path = Buffer.concat([directory, Buffer.from('/'), Buffer.from(name, 'latin1')])
      const at = `${prefix}${name}`
      const one = look(path, at, inodes)
      listed.push([at, one])
      if (one.kind === 'directory') walk(path, `${at}/`)
    }
  }
  walk(Buffer.from(root), '')
  return Object.fromEntries(listed)
}

const kinds: Readonly<Record<number, string>> = {
  [S.REG]: 'file',
  [S.DIR]: 'directory',
  [S.LNK]: 'symlink',
  [S.CHR]: 'character',
  [S.BLK]: 'block',
  [S.FIFO]: 'fifo',
  [S.SOCK]: 'socket',
}

function look(path: Buffer, at: string, inodes: Map<string, string>): Listed {
  const name = cstring(path)
  const status = statx(-100, name)
  const kind = kinds[status.mode & S.FMT] ?? 'unknown'
  const xattrs = Object.fromEntries(
    llistxattr(name)
      .sort()
      .map((key) => [key, lgetxattr(name, cstring(Buffer.from(key, 'latin1'))).toString('latin1')]),
  )
  const key = `${status.device}:${status.inode}`
  const first = inodes.get(key)
  if (first === undefined && kind !== 'directory') inodes.set(key, at)
  return {
    kind,
    mode: (status.mode & 0o7777).toString(8),
    owner: `${status.uid}:${status.gid}`,
    mtime: `${status.modified.seconds}.${String(status.modified.nanoseconds).padStart(9, '0')}`,
    ...(kind === 'file' && { content: contentOf(path) }),
    ...(kind === 'symlink' && { target: readlinkat(-100, name).toString('latin1') }),
    ...((kind === 'character' || kind === 'block') && { device: `${status.major}:${status.minor}` }),
    ...(Object.keys(xattrs).length > 0 && { xattrs }),
    ...(first !== undefined && { same: first }),
  }
}

function contentOf(path: Buffer): string {
  const bytes = readFileSync(path)
  return bytes.length <= 64 ? bytes.toString('latin1') : `${bytes.length} bytes sha256 ${createHash('sha256').update(bytes).digest('hex')}`
}
