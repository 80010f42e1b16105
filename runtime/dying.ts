import { readdir, readFile } from 'node:fs/promises'
import { socketOn } from './descriptor.ts'
import { errnoOf, fromErrno } from './errno.ts'
import { given } from './given.ts'
import { end, endGroup } from './processes.ts'
import { pidfdOpen } from './syscalls/index.ts'

/** A process being watched. Disposing gives up. */
export interface Watched extends Disposable {
  /** Resolves when it has ended: it is a zombie then, or nothing. Never, once given up. */
  readonly ended: Promise<void>
}

/** Watch whatever process has this pid now, child of this one or not; none is one that has ended. The kernel says when, nothing is polled. */
export function watchEnd(pid: number): Watched {
  const attempted = `watch process ${pid}`
  const descriptor = open(pid, attempted)
  if (descriptor === undefined) return { ended: Promise.resolve(), [Symbol.dispose]: () => {} }
  const { promise, resolve } = Promise.withResolvers<void>()
  const socket = socketOn(descriptor, { attempted, writable: false })
  // It becomes readable when the process ends; that there is nothing to read it by is an error of that moment.
  socket.on('error', () => resolve())
  socket.on('end', () => resolve())
  socket.resume()
  return { ended: promise, [Symbol.dispose]: () => void socket.destroy() }
}

/** End a process by force; resolves when it has ended, and does no more of what it was at. */
export async function endAwaited(pid: number, options: { signal: AbortSignal }): Promise<void> {
  using watched = watchEnd(pid)
  end(pid)
  await given(options.signal, watched.ended)
}

/** As {@link endAwaited}, and with it the whole group it leads. */
export async function endGroupAwaited(pid: number, options: { signal: AbortSignal }): Promise<void> {
  endGroup(pid)
  // Nobody joins it from here on: who is told to end does not fork.
  for (const member of await membersOf(pid)) await endAwaited(member, options)
}

async function membersOf(group: number): Promise<number[]> {
  const pids = (await readdir('/proc')).filter((name) => /^[0-9]+$/.test(name)).map(Number)
  const groups = await Promise.all(pids.map(groupOf))
  return pids.filter((_, at) => groups[at] === group)
}

/** Field 5 of proc_pid_stat(5); undefined when there is no such process. */
async function groupOf(pid: number): Promise<number | undefined> {
  const stat = await readFile(`/proc/${pid}/stat`, 'utf8').catch(() => undefined)
  return stat === undefined ? undefined : Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[2])
}

function open(pid: number, attempted: string): number | undefined {
  try {
    return pidfdOpen(pid)
  } catch (error) {
    if (errnoOf(error) === 'ESRCH') return undefined
    throw fromErrno(error, attempted)
  }
}
