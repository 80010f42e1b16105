import { Socket, type SocketConstructorOpts } from 'node:net'
import { Failure } from '../messages/grammar/index.ts'

/**
 * A descriptor node has no word for, read and written by its event loop like any other; it is closed with the socket.
 *
 * node:net makes and takes only stream sockets. node's own pipe takes what it is handed, and asks no questions.
 */
export function socketOn(descriptor: number, options: { attempted: string; writable: boolean }): Socket {
  const { Pipe, constants } = (process as unknown as Bindings).binding('pipe_wrap')
  const handle = new Pipe(constants.SOCKET)
  const opened = handle.open(descriptor)
  if (opened !== 0) throw new Failure('internal', `${options.attempted}: node refuses the descriptor (${opened})`)
  return new Socket({ handle, readable: true, writable: options.writable, allowHalfOpen: true } as unknown as SocketConstructorOpts)
}

interface Bindings {
  binding(name: 'pipe_wrap'): { Pipe: new (type: number) => { open(fd: number): number }; constants: { SOCKET: number } }
}
