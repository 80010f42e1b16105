import { close } from './files.ts'
import { checked, libc, resultOrErrno, SystemError } from './libc.ts'

const AF_UNIX = 1
const SOCK_SEQPACKET = 5
const SOCK_CLOEXEC = 0o2000000

const socketC = libc<[number, number, number]>('int socket(int domain, int type, int protocol)')
const connectC = libc<[number, Uint8Array, number]>('int connect(int fd, const void *address, uint32_t length)')

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
