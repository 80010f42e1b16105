import { createHash } from 'node:crypto'
import { readdir, readFile, rmdir } from 'node:fs/promises'
import { join } from 'node:path'
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

/** Take away what a runtime that failed half way has left of a cgroup, in every hierarchy; none there is as good. Fails while a process is in it. */
export async function removeCgroup(name: string): Promise<void> {
  const hierarchies = (await readdir(top, { withFileTypes: true }).catch(() => [])).filter((entry) => entry.isDirectory())
  for (const directory of [top, ...hierarchies.map((entry) => join(top, entry.name))]) {
    await rmdir(join(directory, name)).catch((error: unknown) => {
      if (errnoOf(error) !== 'ENOENT') throw fromErrno(error, `remove cgroup ${join(directory, name)}`)
    })
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
