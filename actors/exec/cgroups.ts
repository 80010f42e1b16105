import { createHash } from 'node:crypto'
import { readdir, readFile, rmdir } from 'node:fs/promises'
import { join } from 'node:path'
import { endAwaited } from '../../runtime/dying.ts'
import { errnoOf, fromErrno } from '../../runtime/errno.ts'

/** How this machine keeps cgroups. */
export interface Cgroups {
  /** Whether there are any to put a container in. */
  readonly usable: boolean
  /** Why crun will not run here, if so. */
  readonly crunRefuses: string | undefined
  /** In a few words, for the log. */
  readonly kind: string
}

/** Look at what is mounted at /sys/fs/cgroup. */
export async function probeCgroups(): Promise<Cgroups> {
  const mounts = parseMounts(await readFile('/proc/self/mountinfo', 'utf8'))
  const at = (place: string) => mounts.findLast(({ target }) => target === place)
  if (at('/sys/fs/cgroup')?.type === 'cgroup2') return { usable: writable(at('/sys/fs/cgroup')), crunRefuses: undefined, kind: 'unified' }
  const legacy = mounts.filter(({ target, type }) => type === 'cgroup' && target.startsWith('/sys/fs/cgroup/'))
  if (legacy.length === 0) return { usable: false, crunRefuses: undefined, kind: 'none' }
  const controllers =
    at('/sys/fs/cgroup/unified') && (await readFile('/sys/fs/cgroup/unified/cgroup.controllers', 'utf8').catch(() => '')).trim()
  return {
    usable: legacy.every(writable),
    crunRefuses: controllers ? `the cgroup v2 beside v1 on this machine has controllers (${controllers})` : undefined,
    kind: 'legacy',
  }
}

/** The cgroup of a container: told apart from those of other nodes of this machine, whose containers may have the same ids. */
export const cgroupName = (root: string, id: string): string =>
  `/gantry-${createHash('sha256').update(root).digest('hex').slice(0, 8)}-${id}`

const top = '/sys/fs/cgroup'

/**
 * Take away what a runtime that failed half way has left of a cgroup, in every hierarchy, and end what is left in it; none there is as good. A runtime ended in
 * the middle of its work leaves the first process of a container in there, in a session of its own, which ends only when it misses the runtime.
 */
export async function removeCgroup(name: string, options: { signal: AbortSignal }): Promise<void> {
  const hierarchies = (await readdir(top, { withFileTypes: true }).catch(() => [])).filter((entry) => entry.isDirectory())
  for (const directory of [top, ...hierarchies.map((entry) => join(top, entry.name))]) {
    const path = join(directory, name)
    await endAll(path, options)
    await rmdir(path).catch((error: unknown) => {
      if (errnoOf(error) !== 'ENOENT') throw fromErrno(error, `remove cgroup ${path}`)
    })
  }
}

/** Until nobody is in it: who is ended may have forked before. */
async function endAll(cgroup: string, options: { signal: AbortSignal }): Promise<void> {
  const ended = new Set<number>()
  for (;;) {
    const text = await readFile(join(cgroup, 'cgroup.procs'), 'utf8').catch(() => '')
    // One of a pid namespace that cannot be seen from here is 0.
    const pids = text
      .split('\n')
      .map(Number)
      .filter((pid) => pid > 0 && !ended.has(pid))
    if (pids.length === 0) return
    for (const pid of pids) {
      await endAwaited(pid, options)
      ended.add(pid)
    }
  }
}

interface Mounted {
  readonly target: string
  readonly type: string
  readonly options: readonly string[]
}

const writable = (mounted: Mounted | undefined): boolean => mounted?.options.includes('rw') === true

/** Lines of mountinfo: fields, a lone dash, then the type (proc(5)). */
function parseMounts(text: string): Mounted[] {
  return text
    .split('\n')
    .filter((line) => line.includes(' - '))
    .map((line) => {
      const [before = '', after = ''] = line.split(' - ')
      const fields = before.split(' ')
      return { target: fields[4] ?? '', type: after.split(' ')[0] ?? '', options: (fields[5] ?? '').split(',') }
    })
}
