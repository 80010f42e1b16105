import { readFileSync } from 'node:fs'

/** What the kernel lets this thread do with the files of others. */
export interface Powers {
  readonly uid: number
  readonly gid: number
  /** besides its own one */
  readonly groups: readonly number[]
  /** Root of the whole machine: gives files to anybody, makes devices, sets any attribute. */
  readonly all: boolean
  /** Gives files to some others at least: root of a user namespace. */
  readonly gives: boolean
  /** Modes do not keep it out. */
  readonly enters: boolean
  /** bits that are missing from the mode of what is made */
  readonly umask: number
}

/** As they are now; asked of /proc, for umask(2) would set it for all threads for a moment. */
export function currentPowers(): Powers {
  const status = readFileSync('/proc/thread-self/status', 'latin1')
  const words = (key: string): string[] => new RegExp(`^${key}:\\s*(.*)$`, 'm').exec(status)?.[1]?.trim().split(/\s+/) ?? []
  const held = BigInt(`0x${words('CapEff')[0] ?? '0'}`)
  const has = (capability: keyof typeof capabilities): boolean => ((held >> BigInt(capabilities[capability])) & 1n) === 1n
  const [, uid = -1] = words('Uid').map(Number)
  const [, gid = -1] = words('Gid').map(Number)
  const everywhere = /^\s*0\s+0\s+4294967295\s*$/.test(readFileSync('/proc/self/uid_map', 'latin1'))
  return {
    uid,
    gid,
    groups: words('Groups').map(Number),
    all: everywhere && has('chown') && has('enter') && has('own') && has('setgid') && has('devices') && has('capabilities'),
    gives: has('chown'),
    enters: has('enter'),
    // unknown: every mode is then set explicitly
    umask: Number.parseInt(words('Umask')[0] ?? '777', 8),
  }
}

/** Numbers of linux/capability.h. */
const capabilities = { chown: 0, enter: 1, own: 3, setgid: 4, devices: 27, capabilities: 31 } as const
