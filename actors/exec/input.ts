import type { Socket } from 'node:net'
import { Failure } from '../../messages/grammar/index.ts'
import { socketOn } from '../../runtime/descriptor.ts'
import { fromErrno } from '../../runtime/errno.ts'
import { AT_FDCWD, close, connectSeqpacket, O, openat } from '../../runtime/syscalls/index.ts'

/** Bytes on their way to a container's standard input. */
export interface Input extends Disposable {
  /**
   * Take bytes, all or none. Resolves when they are taken, not when they are read: up to {@link most} wait. Fails with resource_exhausted when
   * there is no room for them in `patienceMs`, failed_precondition when the input has ended.
   */
  write(bytes: Uint8Array, options: { signal: AbortSignal; patienceMs: number }): Promise<void>
  /** End the input after what is taken. */
  end(): void
}

/** Most bytes that wait to be read, unless nothing else waits. */
const most = 1024 * 1024

/** conmon reads at most 32 KiB of a packet and drops the rest. */
const packet = 16 * 1024

/**
 * Connect to the standard input of the container whose bundle this is, through the socket conmon listens on.
 *
 * conmon closes the input of a container without a terminal when this connection ends, so there is one, kept as long as the task lives. conmon also writes all
 * output to it, and stands still when that is not read: it is read and dropped, the log has it.
 */
export function openInput({ id, directory }: { id: string; directory: string }): Input {
  const attempted = `write to task ${id}`
  const socket = socketOn(connectInside(directory, attempted), { attempted, writable: true })
  const queue: Uint8Array[] = []
  let waiting = 0
  let ending = false
  let over: Failure | undefined
  let pumping = false
  let room = Promise.withResolvers<void>()

  const stop = (why: string) => {
    over ??= new Failure('failed_precondition', `${attempted}: ${why}`)
    queue.length = 0
    waiting = 0
    room.resolve()
  }
  socket.on('data', () => {})
  socket.on('error', () => stop('its input is not read any more'))
  socket.on('close', () => stop('its input is closed'))

  async function pump(): Promise<void> {
    if (pumping) return
    pumping = true
    for (let bytes = queue.shift(); bytes !== undefined; bytes = queue.shift()) {
      for (let at = 0; at < bytes.length && over === undefined; at += packet) await send(socket, bytes.subarray(at, at + packet))
      waiting -= bytes.length
      room.resolve()
      room = Promise.withResolvers()
    }
    pumping = false
    if (ending) socket.end()
  }

  return {
    async write(bytes, { signal, patienceMs }) {
      signal.throwIfAborted()
      const patience = AbortSignal.any([signal, AbortSignal.timeout(patienceMs)])
      while (over === undefined && waiting > 0 && waiting + bytes.length > most)
        await untilAborted(room.promise, { patience, signal, attempted })
      if (over !== undefined) throw over
      if (ending) throw new Failure('failed_precondition', `${attempted}: its input was ended before`)
      queue.push(bytes)
      waiting += bytes.length
      void pump()
    },
    end() {
      ending = true
      void pump()
    },
    [Symbol.dispose]: () => socket.destroy(),
  }
}

/** One packet; resolves when the kernel has it, or never will. */
const send = (socket: Socket, bytes: Uint8Array): Promise<void> => new Promise((resolve) => socket.write(bytes, () => resolve()))

interface Patience {
  readonly patience: AbortSignal
  readonly signal: AbortSignal
  readonly attempted: string
}

async function untilAborted(room: Promise<void>, { patience, signal, attempted }: Patience): Promise<void> {
  const { promise, reject } = Promise.withResolvers<never>()
  const give = () => reject(signal.aborted ? signal.reason : new Failure('resource_exhausted', `${attempted}: it does not read its input`))
  if (patience.aborted) give()
  patience.addEventListener('abort', give, { once: true })
  try {
    await Promise.race([room, promise])
  } finally {
    patience.removeEventListener('abort', give)
  }
}

/** A socket's path is at most 107 bytes; one through a descriptor always is. */
function connectInside(directory: string, attempted: string): number {
  try {
    const at = openat(AT_FDCWD, directory, O.PATH | O.DIRECTORY)
    try {
      return connectSeqpacket(`/proc/self/fd/${at}/attach`)
    } finally {
      close(at)
    }
  } catch (error) {
    throw fromErrno(error, attempted)
  }
}
