/**
 * How processes that share a root see each other end, without asking again and again: each listens on a socket of its own, and who wants to outlive another
 * connects to it. The kernel closes the connection when the process is no more, however it ended.
 */
import { mkdir, open, readdir, unlink } from 'node:fs/promises'
import { connect, createServer, type Server, type Socket } from 'node:net'
import { join } from 'node:path'
import type { Log } from '../messages/grammar/index.ts'
import { isAlive, type Living, thisProcess } from './alive.ts'

export interface Lifeline extends AsyncDisposable {
  /** Have `then` called once a process has ended or has let go of its own lifeline, at once when it is dead already. Disposing leaves off. */
  outlive(other: Living, then: () => void): Disposable
}

/** Listen in `directory`, made if it is not there. Sockets of the dead are taken away. Where it cannot listen, others learn of its end when they look. */
export async function openLifeline({ directory, log }: { directory: string; log: Log }): Promise<Lifeline> {
  const me = await thisProcess()
  await using scope = new AsyncDisposableStack()
  await mkdir(directory, { recursive: true, mode: 0o700 })
  const opened = scope.use(await open(directory, 'r'))
  // By way of the descriptor: the path of a socket is at most 107 bytes.
  const pathOf = (living: Living) => `/proc/self/fd/${opened.fd}/${nameOf(living)}`
  await sweep(directory, me)
  const connected = new Set<Socket>()
  const listening = await listen(pathOf(me), connected).catch((error: unknown) => {
    log.debug({ error }, `listen in ${directory}`)
    return undefined
  })
  if (listening) {
    scope.defer(async () => {
      for (const socket of connected) socket.destroy()
      await new Promise((resolve) => listening.close(resolve))
    })
  }
  const owned = scope.move()
  return {
    outlive(other, then) {
      const socket = connect(pathOf(other))
      socket.unref()
      const over = async () => {
        if (!wasConnected && (await isAlive(other))) return
        if (!left) then()
      }
      let wasConnected = false
      let left = false
      socket.once('connect', () => {
        wasConnected = true
      })
      socket.on('error', () => {}) // and then it closes
      socket.once('close', () => void over())
      socket.resume()
      return {
        [Symbol.dispose]() {
          left = true
          socket.destroy()
        },
      }
    },
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  }
}

function listen(path: string, connected: Set<Socket>): Promise<Server> {
  const { promise, resolve, reject } = Promise.withResolvers<Server>()
  const server = createServer((socket) => {
    connected.add(socket)
    socket.unref()
    socket.resume()
    socket.on('error', () => {})
    socket.once('close', () => connected.delete(socket))
  })
  server.once('error', reject)
  server.listen(path, () => resolve(server))
  server.unref()
  return promise
}

const nameOf = ({ pid, started }: Living): string => `${pid}-${started}`

async function sweep(directory: string, { boot }: Living): Promise<void> {
  for (const name of await readdir(directory)) {
    const [, pid, started] = /^([0-9]+)-([0-9]+)$/.exec(name) ?? []
    if (pid === undefined || started === undefined || (await isAlive({ pid: Number(pid), started, boot }))) continue
    await unlink(join(directory, name)).catch(() => {})
  }
}
