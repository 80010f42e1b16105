import { ioctlAsync } from './ioctl.ts'

/** A piece of a file as it lies on its file system. */
export interface Extent {
  /** where; 0 when nowhere yet, or within other data */
  readonly physical: number
  readonly length: number
  /** other files have it too */
  readonly shared: boolean
}

/** All pieces of an open file, on a thread of the pool; what was written and has no place yet gets one first. Fails with EOPNOTSUPP or ENOTTY where the file system does not tell. */
export async function extentsOf(fd: number): Promise<Extent[]> {
  const extents: Extent[] = []
  const argument = Buffer.alloc(headBytes + extentBytes * together)
  for (let start = 0n; ; ) {
    argument.fill(0, 0, headBytes)
    argument.writeBigUInt64LE(start, 0)
    argument.writeBigUInt64LE(2n ** 64n - 1n - start, 8)
    argument.writeUInt32LE(SYNC, 16)
    argument.writeUInt32LE(together, 24)
    await ioctlAsync(fd, FIEMAP, argument, 'FS_IOC_FIEMAP')
    const count = argument.readUInt32LE(20)
    if (count === 0) return extents
    for (let at = headBytes; at < headBytes + count * extentBytes; at += extentBytes) {
      const flags = argument.readUInt32LE(at + 40)
      const length = argument.readBigUInt64LE(at + 16)
      extents.push({ physical: Number(argument.readBigUInt64LE(at + 8)), length: Number(length), shared: (flags & SHARED) !== 0 })
      if (flags & LAST) return extents
      start = argument.readBigUInt64LE(at) + length
    }
  }
}

const FIEMAP = 0xc020660b
const SYNC = 1
const LAST = 1
const SHARED = 0x2000
const headBytes = 32
const extentBytes = 56
const together = 64
