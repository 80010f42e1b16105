/**
 * Threads. A thread is told what to do once, by plain data; says when it is ready or why it cannot be; answers pings; and ends when told,
 * within a bounded time. Everything else its work has to say goes over the bus.
 */
import { isMainThread, type MessagePort, parentPort, Worker, workerData } from 'node:worker_threads'
import { Failure, type FailureData } from '../messages/grammar/index.ts'

/** A running thread. Disposing it asks it to stop, and stops it by force when it takes longer than `stopMs`. */
export interface Thread extends AsyncDisposable {
  readonly name: string
  /** Resolves when it has ended: undefined when it was told to, else why. Never rejects. */
  readonly ended: Promise<Failure | undefined>
  /** How long it takes to answer, ms. Fails with unavailable when it has ended, deadline_exceeded after `timeoutMs`. */
  ping(options: { timeoutMs: number }): Promise<number>
}

export interface ThreadInit {
  readonly name: string
  /** most memory of its JavaScript heap, MiB */
  readonly heap: number
  /** ms it may take to stop; then it is ended by force */
  readonly stopMs: number
}

type ToThread = { kind: 'stop' } | { kind: 'ping'; id: number }
type FromThread = { kind: 'ready' } | { kind: 'failed'; failure: FailureData } | { kind: 'pong'; id: number; failure?: FailureData }

/** Start `entry`, a module that calls {@link runThread}, on a thread of its own; resolves once it is ready. Fails as its start does. */
export async function startThread(entry: URL, data: unknown, init: ThreadInit): Promise<Thread> {
  const worker = new Worker(entry, {
    name: init.name,
    workerData: data,
    resourceLimits: { maxOldGenerationSizeMb: init.heap, maxYoungGenerationSizeMb: youngGeneration },
  })
  const state = listen(worker, init)
  await state.ready
  const stop = async () => {
    state.told = true
    worker.postMessage({ kind: 'stop' } satisfies ToThread)
    const late = setTimeout(() => void worker.terminate(), init.stopMs)
    await state.ended
    clearTimeout(late)
  }
  let stopping: Promise<void> | undefined
  return {
    name: init.name,
    ended: state.ended,
    ping: ({ timeoutMs }) => ping(worker, state, init.name, timeoutMs),
    [Symbol.asyncDispose]: () => (stopping ??= stop()),
  }
}

/** MiB; small, because most of what a thread handles are buffers outside the heap. */
const youngGeneration = 6

/** What is known of a worker from what it says. */
interface Listening {
  told: boolean
  readonly ready: Promise<void>
  readonly ended: Promise<Failure | undefined>
  readonly pongs: Map<number, (failure: Failure | undefined) => void>
}

function listen(worker: Worker, { name }: ThreadInit): Listening {
  const ready = Promise.withResolvers<void>()
  const ended = Promise.withResolvers<Failure | undefined>()
  const state: Listening = { told: false, ready: ready.promise, ended: ended.promise, pongs: new Map() }
  let why: Failure | undefined
  worker.on('message', (message: FromThread) => {
    if (message.kind === 'ready') ready.resolve()
    if (message.kind === 'failed') why = Failure.fromData(message.failure)
    if (message.kind === 'pong') state.pongs.get(message.id)?.(message.failure && Failure.fromData(message.failure))
  })
  worker.on('error', (error) => {
    why ??= new Failure('internal', `run thread ${name}: ${error.message}`, { cause: error })
  })
  worker.on('exit', (code) => {
    if (!state.told) why ??= new Failure('internal', `run thread ${name}: it ended by itself with code ${code}`)
    ready.reject(why ?? new Failure('cancelled', `start thread ${name}: it was told to stop`))
    ended.resolve(why)
    for (const pong of state.pongs.values()) pong(new Failure('unavailable', `ask thread ${name}: it has ended`))
  })
  return state
}

let pings = 0

async function ping(worker: Worker, state: Listening, name: string, timeoutMs: number): Promise<number> {
  const id = ++pings
  const asked = performance.now()
  const answer = Promise.withResolvers<Failure | undefined>()
  state.pongs.set(id, answer.resolve)
  const late = setTimeout(
    () => answer.resolve(new Failure('deadline_exceeded', `ask thread ${name}: no answer within ${timeoutMs} ms`)),
    timeoutMs,
  )
  try {
    worker.postMessage({ kind: 'ping', id } satisfies ToThread)
    const failure = await answer.promise
    if (failure !== undefined) throw failure
    return performance.now() - asked
  } finally {
    clearTimeout(late)
    state.pongs.delete(id)
  }
}

/** What a thread's work is to {@link runThread}: something to end, and a proof that it still answers. */
export interface Work extends AsyncDisposable {
  alive(): Promise<void>
}

/** The body of a thread: start the work, say so, end it when told. To be called once, by the entry module of the thread. */
export async function runThread<D>(start: (data: D) => Promise<Work>): Promise<void> {
  if (isMainThread || parentPort === null) throw new Failure('internal', 'run a thread: this is the main thread')
  const port = parentPort
  const say = (message: FromThread) => port.postMessage(message)
  try {
    const work = await start(workerData as D)
    const told = listenForStop(port, work, say)
    say({ kind: 'ready' })
    await told
    await work[Symbol.asyncDispose]()
  } catch (error) {
    say({ kind: 'failed', failure: Failure.from(error).toJSON() })
  } finally {
    port.close()
  }
  // what the work left open must not keep the thread
  process.exit()
}

function listenForStop(port: MessagePort, work: Work, say: (message: FromThread) => void): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>()
  port.on('message', (message: ToThread) => {
    if (message.kind === 'stop') return resolve()
    const { id } = message
    work.alive().then(
      () => say({ kind: 'pong', id }),
      (error: unknown) => say({ kind: 'pong', id, failure: Failure.from(error).toJSON() }),
    )
  })
  return promise
}
