import type { Command } from 'commander'
import { type Asking, type Client, Failure, isFailure, type Protocol } from '../../messages/grammar/index.ts'
import type { node as nodeProtocol } from '../../messages/node.ts'
import type { Bus } from '../../runtime/bus/bus.ts'
import { complain } from './complain.ts'
import { type Destination, destination, howToStart } from './destination.ts'
import type { Globals } from './globals.ts'
import type { Listing } from './output.ts'

/** What a verb works with: a connection, whom to ask, how to print. */
export interface Session extends AsyncDisposable {
  readonly bus: Bus
  readonly node: string
  /** The node is on this machine: files it lends can be opened. */
  readonly here: boolean
  readonly listing: Listing
  /** Aborted when the command is told to stop, or has taken too long. */
  readonly signal: AbortSignal
  /** Ask an actor of the node, or of another addressee. */
  ask<P extends Protocol>(actor: string, node?: string): Client<P>
}

/** Arguments and options of a verb, as commander read them. */
export interface Words<Options> {
  readonly args: readonly string[]
  readonly options: Options & Globals
}

/**
 * The action of a verb that asks a node: `command.action(asking(async (session, { args, options }) => …))`. A number it gives is the exit code.
 * `signals: false`: the verb deals with SIGINT and the like itself.
 */
export function asking<Options = object>(
  body: (session: Session, words: Words<Options>) => Promise<unknown>,
  { signals = true }: { signals?: boolean } = {},
): (...given: unknown[]) => Promise<void> {
  return async (...given) => {
    const command = given.at(-1) as Command
    const options: Options & Globals = command.optsWithGlobals()
    const stop = new AbortController()
    if (signals)
      for (const name of ['SIGINT', 'SIGTERM'] as const)
        process.once(name, () => stop.abort(new Failure('cancelled', `stopped by ${name}`)))
    // who reads our output may leave; then there is nothing more to do
    const left = new Failure('cancelled', 'write output: nobody reads it any more')
    process.stdout.on('error', () => stop.abort(left))
    using _limit = limit(command, options.timeout, stop)
    let opened = false
    try {
      await using session = await openSession(options, stop.signal)
      opened = true
      const exit = await body(session, { args: command.args, options }).catch((error: unknown) => explained(error, session))
      process.exitCode = typeof exit === 'number' ? exit : 0
    } catch (error) {
      const why = stop.signal.aborted ? stop.signal.reason : error
      process.exitCode = why === left ? leftExit : complain(programOf(command), why)
    }
    // the NATS library never lets go of a server that took the connection and says nothing
    if (!opened) process.exit()
  }
}

/** Give up after so long, whatever is being done then. */
function limit(command: Command, timeout: number | undefined, stop: AbortController): Disposable {
  const late = () => stop.abort(new Failure('deadline_exceeded', `${command.name()}: not done within ${timeout} ms`))
  const timer = timeout === undefined ? undefined : setTimeout(late, timeout)
  return { [Symbol.dispose]: () => clearTimeout(timer) }
}

/** When nobody answers, the reason may be that the whole node is away: then that is what is said. */
async function explained(error: unknown, { ask, node, signal }: Session): Promise<never> {
  if (!isFailure(error, 'unavailable') || signal.aborted) throw error
  await ask<typeof nodeProtocol>('node')
    .info({}, { timeoutMs: 1000 })
    .catch((silence: unknown) => {
      if (isFailure(silence, 'unavailable'))
        throw new Failure('unavailable', `reach node ${node}: nobody answers for it; ${howToStart}`, { cause: error })
    })
  throw error
}

/** What a shell reports of a program that SIGPIPE ended. */
const leftExit = 141

async function openSession(options: Globals, signal: AbortSignal): Promise<Session> {
  const { timeout, connectTimeout = 3000, json = false } = options
  await using stack = new AsyncDisposableStack()
  const private_ = options.embedded ? stack.use(await (await import('./embedded.ts')).startPrivateNode(options, { signal })) : undefined
  const to = private_?.destination ?? (await destination(options, process.env))
  const { client, connectNats } = await library()
  const connecting = connectNats(to.nats, { name: 'command', root: to.subjects, timeoutMs: connectTimeout, signal })
  const bus = stack.use(await connecting.catch((error: unknown) => unreachable(error, to)))
  const defaults: Asking = { signal, ...(timeout !== undefined && { timeoutMs: timeout }) }
  const owned = stack.move()
  return {
    bus,
    node: to.node,
    here: to.here,
    signal,
    listing: { json, terminal: process.stdout.isTTY },
    ask: (actor, node = to.node) => client(bus, { node, actor }, defaults),
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  }
}

/** A command reads a few messages: loading the native decoder would cost more than it saves. */
async function library() {
  process.env['MSGPACKR_NATIVE_ACCELERATION_DISABLED'] = 'true'
  const [{ client }, { connectNats }] = await Promise.all([import('../../runtime/bus/client.ts'), import('../../runtime/bus/nats.ts')])
  return { client, connectNats }
}

/** A node that was killed leaves its address behind. */
function unreachable(error: unknown, { node, root }: Destination): never {
  if (root === undefined || !isFailure(error, 'unavailable', 'deadline_exceeded')) throw error
  throw new Failure('unavailable', `reach node ${node}: it does not run any more on ${root}; ${howToStart}`, { cause: error })
}

const programOf = (command: Command): string => (command.parent ? programOf(command.parent) : command.name())
