import { Failure, isFailure, type Log } from '../../../messages/grammar/index.ts'
import type { NatsAddress } from '../../../runtime/bus/nats-address.ts'
import { makeCredentials, readRunning, serverFiles, writeConfig, writeRunning } from './files.ts'
import { findProgram } from './find.ts'
import { runServer, type ServerProcess } from './process.ts'
import { takeStore } from './store.ts'

/** A node's own NATS server: loopback only, JetStream on, a password nobody chose. Disposing it stops it. */
export interface Server extends AsyncDisposable {
  /** where it is, and who may use it */
  readonly address: NatsAddress & { readonly url: string }
  /** file with `{user, password}` */
  readonly credentialsFile: string
  /** of the server process; another one after a restart */
  readonly pid: number
  /** Resolves when it died and could not be started again. */
  readonly lost: Promise<Failure>
}

export interface ServerInit {
  readonly root: string
  readonly node: string
  /** 0: the one it had last time if that is free, else any */
  readonly port: number
  /** directories to look for the program in, as in $PATH */
  readonly path?: string | undefined
  readonly log: Log
}

/**
 * Start it, and start it again on the same port whenever it dies. Fails with failed_precondition when there is no nats-server,
 * already_exists when the port is taken, unavailable when it refuses for another reason.
 */
export async function startServer({ root, node, port, path, log }: ServerInit): Promise<Server> {
  const files = await serverFiles(root)
  const credentials = await makeCredentials(files)

  const startOn = async (wanted: number): Promise<ServerProcess> => {
    await using lock = await takeStore(files, { log })
    await writeConfig(files, credentials, { port: wanted, name: `gantry-${node}` })
    const server = await runServer({ config: files.config, lock: lock.fd, find: (program) => findProgram(program, { path }), log })
    await writeRunning(files, { pid: server.pid, port: server.port })
    return server
  }
  const start = async (): Promise<ServerProcess> => {
    if (port !== 0) return await startOn(port)
    const before = (await readRunning(files))?.port
    if (before === undefined) return await startOn(anyPort)
    // clients that were connected when the node was killed come back to the port they know
    return await startOn(before).catch((error: unknown) => {
      if (isFailure(error, 'already_exists')) return startOn(anyPort)
      throw error
    })
  }

  let running = await start()
  let stopped = false
  const lost = Promise.withResolvers<Failure>()
  const watch = async () => {
    for (let early = 0; early < 3; early++) {
      const since = performance.now()
      const words = await running.ended
      if (stopped) return
      log.error({ pid: running.pid, words }, 'nats-server died; starting it again')
      if (performance.now() - since > 60_000) early = 0
      running = await startOn(running.port)
      if (stopped) await running[Symbol.asyncDispose]()
    }
    throw new Failure('unavailable', 'keep nats-server running: it dies again and again')
  }
  const watching = watch().catch((error: unknown) => lost.resolve(Failure.from(error)))
  return {
    address: { url: `nats://127.0.0.1:${running.port}`, ...credentials },
    credentialsFile: files.credentials,
    get pid() {
      return running.pid
    },
    lost: lost.promise,
    async [Symbol.asyncDispose]() {
      stopped = true
      await running[Symbol.asyncDispose]()
      await watching
    },
  }
}

const anyPort = -1
