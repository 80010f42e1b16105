import type { Process } from '../../messages/container.ts'
import { capabilities, cgroupMount, maskedPaths, mounts, readonlyPaths, type SpecMount } from './defaults.ts'
import { seccomp } from './seccomp.ts'
import type { User } from './user.ts'

/** What a spec is made from. */
export interface SpecInit {
  readonly id: string
  readonly process: Process
  readonly user: User
  readonly readonly: boolean
  /** names the cgroup; undefined where there are none */
  readonly cgroup: string | undefined
  /** files of the host shown read-only inside, by their place there */
  readonly files: Readonly<Record<string, string>>
  /** most files it may open at once, should it raise its limit */
  readonly openFiles: number
  /** node's name of the processor */
  readonly architecture: string
}

/**
 * The OCI runtime spec (1.0.2) of a container, as `config.json` has it; `rootfs` beside it is its root.
 *
 * It shares the network of the machine: what listens inside is reached from outside, on the same ports, as without a container. Everything else is its own.
 */
export function runtimeSpec(init: SpecInit) {
  const { id, process, user } = init
  return {
    ociVersion: '1.0.2',
    hostname: hostname(id),
    root: { path: 'rootfs', readonly: init.readonly },
    process: {
      terminal: process.terminal,
      user: { uid: user.uid, gid: user.gid, additionalGids: user.groups },
      args: process.args,
      env: environment(process, user),
      cwd: process.cwd,
      capabilities: {
        bounding: capabilities,
        effective: user.uid === 0 ? capabilities : [],
        permitted: user.uid === 0 ? capabilities : [],
        inheritable: [],
        ambient: [],
      },
      rlimits: [{ type: 'RLIMIT_NOFILE', hard: init.openFiles, soft: Math.min(init.openFiles, 1024) }],
      noNewPrivileges: true,
    },
    mounts: [
      ...mounts,
      ...(init.cgroup === undefined ? [] : [cgroupMount]),
      ...Object.entries(init.files).map(([to, from]) => shown(to, from)),
    ],
    linux: {
      namespaces: [{ type: 'pid' }, { type: 'ipc' }, { type: 'uts' }, { type: 'mount' }],
      ...(init.cgroup !== undefined && { cgroupsPath: init.cgroup }),
      resources: { devices: [{ allow: false, access: 'rwm' }] },
      maskedPaths,
      readonlyPaths,
      seccomp: seccomp(init.architecture),
    },
  }
}

/** The kernel takes at most 64 bytes. */
export const hostname = (id: string): string => id.slice(0, 64)

/** The process's own, then what every program expects of its surroundings. */
function environment(process: Process, user: User): string[] {
  const has = (name: string) => process.env.some((variable) => variable.startsWith(`${name}=`))
  return [...process.env, ...(has('HOME') ? [] : [`HOME=${user.home}`]), ...(process.terminal && !has('TERM') ? ['TERM=xterm'] : [])]
}

const shown = (destination: string, source: string): SpecMount => ({
  destination,
  type: 'bind',
  source,
  options: ['bind', 'ro', 'nosuid', 'nodev', 'noexec'],
})
