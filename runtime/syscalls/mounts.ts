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
