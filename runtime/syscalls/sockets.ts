import { close } from './files.ts'
import { checked, libc, resultOrErrno, SystemError } from './libc.ts'

const AF_UNIX = 1
const SOCK_SEQPACKET = 5
const SOCK_CLOEXEC = 0o2000000
const MSG_DONTWAIT = 0x40
const MSG_NOSIGNAL = 0x4000

const socketC = libc<[number, number, number]>('int socket(int domain, int type, int protocol)')
const connectC = libc<[number, Uint8Array, number]>('int connect(int fd, const void *address, uint32_t length)')
const sendC = libc<[number, Uint8Array, number, number]>('long send(int fd, const void *bytes, size_t length, int flags)')
const shutdownC = libc<[number, number]>('int shutdown(int fd, int how)')

/** Which half of a socket. */
export const SHUT = { RD: 0, WR: 1, RDWR: 2 } as const

/** Connect to a unix socket that keeps packets whole; the descriptor is the caller's to close. A path of more than 107 bytes is EINVAL-like: ENAMETOOLONG. */
export function connectSeqpacket(path: string): number {
  const name = Buffer.from(path)
  if (name.length > 107) throw new SystemError(36, 'connect')
  const address = Buffer.alloc(110)
  address.writeUInt16LE(AF_UNIX)
  name.copy(address, 2)
  const fd = checked(socketC(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0), 'socket')
  const result = resultOrErrno(connectC(fd, address, address.length))
  if (result === 0) return fd
  close(fd)
  throw new SystemError(-result, 'connect')
}

/** Send one packet without waiting; false when there is no room for it now. A peer that is gone throws EPIPE, never a signal. */
export function send(fd: number, bytes: Uint8Array): boolean {
  const result = resultOrErrno(sendC(fd, bytes, bytes.length, MSG_DONTWAIT | MSG_NOSIGNAL))
  if (result >= 0) return true
  if (result === -11) return false
  throw new SystemError(-result, 'send')
}

export const shutdown = (fd: number, how: (typeof SHUT)[keyof typeof SHUT]): void => void checked(shutdownC(fd, how), 'shutdown')
