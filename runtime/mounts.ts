/**
 * Mounting: from data, `{type, source, options}`, to mount(2), and back. No mount(8) is run.
 *
 * Worked example: `await using seen = await mountAll(mounts, '/run/x')` shows what `mounts` say at `/run/x` until the block is left.
 */
import { readFile } from 'node:fs/promises'
import { errnoOf, fromErrno } from './errno.ts'
import { isPlain } from './overlay-data.ts'
import { mountOverlay } from './overlay-mount.ts'
import { MS, mount, UMOUNT, umount2Async } from './syscalls/index.ts'

/** One mount as data. Options are those of mount(8): what the table below does not know is handed to the file system. */
export interface MountData {
  readonly type: string
  readonly source: string
  readonly options: readonly string[]
}

/** A mount that is there. */
export interface Mounted {
  readonly at: string
  readonly type: string
  readonly source: string
  /** of the mount, then of the file system */
  readonly options: readonly string[]
}

/**
 * Mount all of `mounts` at the directory `at`, each over the one before. Disposing takes away as many. On failure none is left.
 */
export async function mountAll(mounts: readonly MountData[], at: string, options: { signal?: AbortSignal } = {}): Promise<AsyncDisposable> {
  await using done = new AsyncDisposableStack()
  for (const one of mounts) {
    options.signal?.throwIfAborted()
    mountOne(one, at)
    done.defer(() => unmountTop(at).then(() => {}))
    protect(one, at)
  }
  return done.move()
}

/**
 * Take away every mount at the directory `at`; none there is as good. One still in use disappears at once all the same, and ends when its last user does.
 */
export async function unmount(at: string): Promise<void> {
  while (await unmountTop(at));
}

/** The mounts at `path` and below it, the last mounted first: the order to take them away in. */
export async function mountedUnder(path: string): Promise<Mounted[]> {
  const lines = (await readFile('/proc/self/mountinfo', 'utf8')).split('\n')
  const mounted = lines.filter((line) => line !== '').map(parse)
  return mounted.filter(({ at }) => at === path || at.startsWith(path === '/' ? '/' : `${path}/`)).reverse()
}

/** What options of mount(8) set in, or take from, the flags of mount(2). */
const flags: Readonly<Record<string, { set?: number; clear?: number }>> = {
  defaults: {},
  ro: { set: MS.RDONLY },
  rw: { clear: MS.RDONLY },
  bind: { set: MS.BIND },
  rbind: { set: MS.BIND | MS.REC },
  nosuid: { set: MS.NOSUID },
  suid: { clear: MS.NOSUID },
  nodev: { set: MS.NODEV },
  dev: { clear: MS.NODEV },
  noexec: { set: MS.NOEXEC },
  exec: { clear: MS.NOEXEC },
  sync: { set: MS.SYNCHRONOUS },
  async: { clear: MS.SYNCHRONOUS },
  noatime: { set: MS.NOATIME },
  atime: { clear: MS.NOATIME },
  nodiratime: { set: MS.NODIRATIME },
  diratime: { clear: MS.NODIRATIME },
  relatime: { set: MS.RELATIME },
}

/** The flags, and what is left for the file system. */
function split(options: readonly string[]): { flags: number; rest: string[] } {
  let set = 0
  const rest: string[] = []
  for (const option of options) {
    const known = Object.hasOwn(flags, option) ? flags[option] : undefined
    if (known === undefined) rest.push(option)
    else set = (set | (known.set ?? 0)) & ~(known.clear ?? 0)
  }
  return { flags: set, rest }
}

function mountOne({ type, source, options }: MountData, at: string): void {
  const { flags: set, rest } = split(options)
  try {
    // A bind takes no other flag: they come with a second call.
    if (set & MS.BIND) {
      mount(source, at, '', set & (MS.BIND | MS.REC))
      return
    }
    if (type === 'overlay' && !isPlain(rest)) mountOverlay({ source, options: rest, flags: set }, at)
    else mount(source, at, type, set, rest.join(','))
  } catch (error) {
    throw fromErrno(error, `mount ${type} ${source} at ${at}`)
  }
}

/** Give a bind the flags it could not take when it was made. */
function protect({ source, options }: MountData, at: string): void {
  const { flags: set } = split(options)
  if (!(set & MS.BIND) || !(set & ~(MS.BIND | MS.REC))) return
  try {
    mount(source, at, '', (set & ~MS.REC) | MS.REMOUNT)
  } catch (error) {
    throw fromErrno(error, `mount ${source} at ${at} as ${options.join(',')}`)
  }
}

/** Take away the uppermost mount at `at`; whether there was one. */
async function unmountTop(at: string): Promise<boolean> {
  try {
    try {
      // Not on this thread: the kernel may write out a whole file system first.
      await umount2Async(at, UMOUNT.NOFOLLOW)
    } catch (error) {
      if (errnoOf(error) !== 'EBUSY') throw error
      await umount2Async(at, UMOUNT.NOFOLLOW | UMOUNT.DETACH)
    }
    return true
  } catch (error) {
    const errno = errnoOf(error)
    if (errno === 'EINVAL' || errno === 'ENOENT') return false
    // Who may not unmount is refused before anybody looks whether there is a mount.
    if (errno === 'EPERM' && !(await mountedUnder(at)).some((mounted) => mounted.at === at)) return false
    throw fromErrno(error, `unmount ${at}`)
  }
}

/** One line of proc_pid_mountinfo(5). */
function parse(line: string): Mounted {
  const [mount = '', system = ''] = line.split(' - ')
  const [, , , , at = '', options = ''] = mount.split(' ')
  const [type = '', source = '', more = ''] = system.split(' ')
  return { at: unescaped(at), type, source: unescaped(source), options: [...options.split(','), ...more.split(',')] }
}

/** Space, tab, newline and backslash are written as octal numbers there. */
const unescaped = (text: string): string =>
  text.replace(/\\([0-7]{3})/g, (_, octal: string) => String.fromCharCode(Number.parseInt(octal, 8)))
