import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import * as sys from '../../../runtime/syscalls/index.ts'

function temporary(): { path: string; [Symbol.dispose](): void } {
  const path = mkdtempSync(join(tmpdir(), 'gantry-syscalls-'))
  return { path, [Symbol.dispose]: () => rmSync(path, { recursive: true, force: true }) }
}

const root = process.getuid?.() === 0

describe('files', () => {
  test('a file is made, written in two ways and closed', () => {
    using at = temporary()
    const fd = sys.openat(sys.AT_FDCWD, `${at.path}/file`, sys.O.WRONLY | sys.O.CREAT | sys.O.EXCL, 0o640)
    sys.write(fd, Buffer.from('hello '))
    sys.pwrite(fd, Buffer.from('world'), 6)
    sys.fsync(fd)
    sys.close(fd)
    expect(readFileSync(`${at.path}/file`, 'utf8')).toBe('hello world')
  })

  test('many megabytes go through one write', () => {
    using at = temporary()
    const bytes = Buffer.alloc(5 << 20, 'x')
    const fd = sys.openat(sys.AT_FDCWD, `${at.path}/file`, sys.O.WRONLY | sys.O.CREAT)
    sys.write(fd, bytes.subarray(1 << 20))
    sys.close(fd)
    expect(statSync(`${at.path}/file`).size).toBe(4 << 20)
  })

  test('an errno comes as an error of the shape node has', () => {
    expect(() => sys.openat(sys.AT_FDCWD, '/no/such/thing', sys.O.RDONLY)).toThrow(
      expect.objectContaining({ code: 'ENOENT', errno: -2, syscall: 'openat' }),
    )
    expect(sys.tryOpenat(sys.AT_FDCWD, '/no/such/thing', sys.O.RDONLY)).toBe(-2)
    expect(() => sys.close(-1)).toThrow(expect.objectContaining({ code: 'EBADF' }))
  })

  test('openat2 keeps an absolute link inside the root', () => {
    using at = temporary()
    sys.symlinkat('/etc', sys.AT_FDCWD, `${at.path}/link`)
    sys.mkdirat(sys.AT_FDCWD, `${at.path}/etc`, 0o755)
    writeFileSync(`${at.path}/etc/mine`, '')
    const fd = sys.openat(sys.AT_FDCWD, at.path, sys.O.PATH | sys.O.DIRECTORY)
    const inside = sys.openat2(fd, 'link', { flags: sys.O.RDONLY | sys.O.DIRECTORY, resolve: sys.RESOLVE.IN_ROOT })
    expect(readdirSync(`/proc/self/fd/${inside}`)).toEqual(['mine'])
    expect(sys.tryOpenat2(fd, '../..', { flags: sys.O.PATH, resolve: sys.RESOLVE.BENEATH })).toBe(-18)
    sys.close(inside)
    sys.close(fd)
  })

  test('a lock is had by one at a time', () => {
    using at = temporary()
    const open = (): number => sys.openat(sys.AT_FDCWD, `${at.path}/lock`, sys.O.RDWR | sys.O.CREAT, 0o600)
    const [one, two] = [open(), open()]
    expect(sys.flock(one)).toBe(true)
    expect(sys.flock(two)).toBe(false)
    sys.close(one)
    expect(sys.flock(two)).toBe(true)
    sys.close(two)
  })

  test('a whole file system is flushed, in place and on the pool', async () => {
    using at = temporary()
    const fd = sys.openat(sys.AT_FDCWD, at.path, sys.O.RDONLY)
    sys.syncfs(fd)
    await sys.syncfsAsync(fd)
    sys.close(fd)
    await expect(sys.syncfsAsync(fd)).rejects.toMatchObject({ code: 'EBADF' })
  })
})

describe('names and attributes', () => {
  test('a name that is not UTF-8 survives as bytes', () => {
    using at = temporary()
    const fd = sys.openat(sys.AT_FDCWD, at.path, sys.O.RDONLY)
    sys.mkdirat(fd, sys.cstring(Buffer.from([0xff, 0xfe])), 0o700)
    sys.mkdirat(fd, sys.nameRoom().write('\xe9t\xe9'), 0o700)
    const found = readdirSync(Buffer.from(at.path), { encoding: 'buffer' }).map((name) => name.toString('latin1'))
    expect(found.sort()).toEqual(['\xe9t\xe9', '\xff\xfe'])
    sys.close(fd)
  })

  test('a NUL inside a path is refused', () => {
    expect(() => sys.cstring('a\0b')).toThrow(/NUL/)
  })

  test('links, moves and removals', () => {
    using at = temporary()
    const fd = sys.openat(sys.AT_FDCWD, at.path, sys.O.RDONLY)
    sys.symlinkat('../somewhere/else', fd, 'link')
    sys.linkat(fd, 'link', fd, 'same')
    expect(sys.readlinkat(fd, 'same').toString()).toBe('../somewhere/else')
    sys.renameat(fd, 'same', fd, 'moved')
    sys.unlinkat(fd, 'link')
    sys.mkdirat(fd, 'dir', 0o755)
    expect(sys.tryMkdirat(fd, 'dir', 0o755)).toBe(-17)
    sys.rmdirat(fd, 'dir')
    expect(readdirSync(at.path)).toEqual(['moved'])
    sys.close(fd)
  })

  test('times keep their nanoseconds, also before 1970 and after 2038', () => {
    using at = temporary()
    const fd = sys.openat(sys.AT_FDCWD, `${at.path}/file`, sys.O.WRONLY | sys.O.CREAT)
    for (const seconds of [-5, 0, 2 ** 31 + 3]) {
      sys.futimens(fd, { seconds: 1, nanoseconds: 2 }, { seconds, nanoseconds: 123456789 })
      expect(sys.statx(fd, '')).toMatchObject({ accessed: { seconds: 1, nanoseconds: 2 }, modified: { seconds, nanoseconds: 123456789 } })
    }
    sys.utimensat(sys.AT_FDCWD, `${at.path}/file`, { seconds: 3, nanoseconds: 4 }, { seconds: 5, nanoseconds: 6 })
    expect(sys.statx(sys.AT_FDCWD, `${at.path}/file`).modified).toEqual({ seconds: 5, nanoseconds: 6 })
    sys.close(fd)
  })

  test('modes are those of the file', () => {
    using at = temporary()
    const fd = sys.openat(sys.AT_FDCWD, `${at.path}/file`, sys.O.WRONLY | sys.O.CREAT)
    sys.fchmod(fd, 0o4711)
    expect(statSync(`${at.path}/file`).mode & 0o7777).toBe(0o4711)
    sys.fchmodat(sys.AT_FDCWD, `${at.path}/file`, 0o600)
    expect(sys.statx(sys.AT_FDCWD, `${at.path}/file`).mode).toBe(sys.S.REG | 0o600)
    sys.close(fd)
  })

  test.runIf(root)('owners up to the largest, devices up to the largest', () => {
    using at = temporary()
    const fd = sys.openat(sys.AT_FDCWD, at.path, sys.O.RDONLY)
    sys.mknodat(fd, 'device', sys.S.CHR | 0o600, 4095, 1048575)
    sys.fchownat(fd, 'device', 4294967294, 65534)
    expect(sys.statx(fd, 'device')).toMatchObject({ major: 4095, minor: 1048575, uid: 4294967294, gid: 65534, mode: sys.S.CHR | 0o600 })
    sys.mknodat(fd, 'pipe', sys.S.FIFO | 0o644)
    const pipe = sys.openat(fd, 'pipe', sys.O.PATH | sys.O.NOFOLLOW)
    sys.fchown(pipe, 3, 4)
    expect(sys.statx(fd, 'pipe')).toMatchObject({ uid: 3, gid: 4 })
    sys.close(pipe)
    sys.close(fd)
  })

  test.runIf(root)('attributes hold any bytes', () => {
    using at = temporary()
    const value = Buffer.from([0, 1, 255, 0, 200])
    writeFileSync(`${at.path}/file`, '')
    sys.lsetxattr(`${at.path}/file`, 'trusted.bytes', value)
    const fd = sys.openat(sys.AT_FDCWD, `${at.path}/file`, sys.O.RDONLY)
    sys.fsetxattr(fd, 'user.more', Buffer.alloc(2000, 1))
    sys.close(fd)
    expect(sys.llistxattr(`${at.path}/file`).sort()).toEqual(['trusted.bytes', 'user.more'])
    expect(sys.lgetxattr(`${at.path}/file`, 'trusted.bytes')).toEqual(value)
    expect(sys.lgetxattr(`${at.path}/file`, 'user.more')).toHaveLength(2000)
    sys.lremovexattr(`${at.path}/file`, 'user.more')
    expect(() => sys.lgetxattr(`${at.path}/file`, 'user.more')).toThrow(expect.objectContaining({ code: 'ENODATA' }))
  })
})

describe.runIf(root)('mounts', () => {
  test('a file system is mounted, recognised and taken away', () => {
    using at = temporary()
    sys.mount('none', at.path, 'tmpfs', sys.MS.NOSUID | sys.MS.NODEV, 'size=1m,mode=0700')
    expect(sys.fileSystemType(at.path)).toBe(0x01021994)
    sys.umount2(at.path, sys.UMOUNT.DETACH)
    expect(sys.fileSystemType(at.path)).not.toBe(0x01021994)
  })

  test('an unknown file system is ENODEV', () => {
    using at = temporary()
    expect(() => sys.mount('none', at.path, 'no-such-fs', 0)).toThrow(expect.objectContaining({ code: 'ENODEV', syscall: 'mount' }))
  })
})

describe('sockets', () => {
  test('nobody listening is said at once', () => {
    expect(() => sys.connectSeqpacket('/no/such/socket')).toThrow(expect.objectContaining({ code: 'ENOENT', syscall: 'connect' }))
    expect(() => sys.connectSeqpacket(`/${'x'.repeat(200)}`)).toThrow(expect.objectContaining({ code: 'ENAMETOOLONG' }))
  })

  test('a stream socket is not taken for one that keeps packets whole', async () => {
    using at = temporary()
    const server = createServer().listen(`${at.path}/socket`)
    await new Promise((resolve) => server.once('listening', resolve))
    expect(() => sys.connectSeqpacket(`${at.path}/socket`)).toThrow(expect.objectContaining({ code: 'EPROTOTYPE' }))
    server.close()
  })
})
