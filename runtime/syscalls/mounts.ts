import { checked, libc, onPool } from './libc.ts'
import { type CString, type Path, pathBytes } from './strings.ts'

/** Flags of mount(2). */
export const MS = {
  RDONLY: 1,
  NOSUID: 2,
  NODEV: 4,
  NOEXEC: 8,
  SYNCHRONOUS: 16,
  REMOUNT: 32,
  NOATIME: 1024,
  NODIRATIME: 2048,
  BIND: 4096,
  MOVE: 8192,
  REC: 16384,
  PRIVATE: 1 << 18,
  SLAVE: 1 << 19,
  SHARED: 1 << 20,
  RELATIME: 1 << 21,
} as const

/** Flags of umount2(2). */
export const UMOUNT = { FORCE: 1, DETACH: 2, EXPIRE: 4, NOFOLLOW: 8 } as const

/** mount(2) takes at most one page of data. */
export const mountDataMax = 4095

const mountC = libc<[CString, CString, CString, number, CString]>(
  'int mount(const void *source, const void *target, const void *type, unsigned long flags, const void *data)',
)
const umount2C = libc<[CString, number]>('int umount2(const void *target, int flags)')

/** Mount; `data` is the file system's own options, joined by commas. */
export const mount = (source: Path, target: Path, type: string, flags: number, data = ''): void =>
  void checked(mountC(pathBytes(source), pathBytes(target), pathBytes(type), flags, pathBytes(data)), 'mount')

export const umount2 = (target: Path, flags = 0): void => void checked(umount2C(pathBytes(target), flags), 'umount2')

/** Unmount on a thread of the pool: the kernel may write out a whole file system first. */
export const umount2Async = (target: Path, flags = 0): Promise<void> => onPool(umount2C, 'umount2', pathBytes(target), flags)

/** Flags of a mount made by {@link fsmount}. */
export const MOUNT_ATTR = { RDONLY: 1, NOSUID: 2, NODEV: 4, NOEXEC: 8, NOATIME: 0x10, NODIRATIME: 0x80 } as const

/** Longest value {@link fsconfig} takes. */
export const fsconfigMax = 255

const fsopenC = libc<[number, CString, number]>('long syscall(long number, const void *type, long flags)')
const fsconfigC = libc<[number, number, number, CString | null, CString | null, number]>(
  'long syscall(long number, long context, long command, const void *key, const void *value, long auxiliary)',
)
const fsmountC = libc<[number, number, number, number]>('long syscall(long number, long context, long flags, long attributes)')
const moveMountC = libc<[number, number, CString, number, CString, number]>(
  'long syscall(long number, long from, const void *path, long to, const void *target, long flags)',
)

/** Begin to describe a file system, for options that are more than a page. The descriptor is the caller's to close. Linux 5.2. */
export const fsopen = (type: string): number => checked(fsopenC(430, pathBytes(type), 1), 'fsopen')

/** Add one option, with a value or, when it has none, as a flag. */
export function fsconfig(context: number, key: string, value?: string): void {
  const command = value === undefined ? 0 : 1
  checked(fsconfigC(431, context, command, pathBytes(key), value === undefined ? null : pathBytes(value), 0), 'fsconfig')
}

/** Make the file system that was described, and a mount of it that is nowhere yet, with flags {@link MOUNT_ATTR}. The descriptor is the caller's to close. */
export function fsmount(context: number, attributes: number): number {
  checked(fsconfigC(431, context, 6, null, null, 0), 'fsconfig')
  return checked(fsmountC(432, context, 1, attributes), 'fsmount')
}

/** Put a mount that is nowhere at `target`. */
export const moveMount = (mounted: number, target: Path): void =>
  void checked(moveMountC(429, mounted, pathBytes(''), -100, pathBytes(target), 4), 'move_mount')
