/** Programs: run to the end, or left running by themselves. No shell, ever; a process is ended by its pid, never by its name. */
import { type ChildProcess, spawn } from 'node:child_process'
import { constants } from 'node:os'
import type { Readable } from 'node:stream'

/** What a program said and how it ended: its code, 128 + n when signal n ended it. */
export interface Ran {
  readonly stdout: string
  readonly stderr: string
  readonly code: number
}

export interface RunOptions {
  /** Ends it, by force, and whatever it started in its process group; `run` then fails with the signal's reason. */
  readonly signal?: AbortSignal | undefined
  readonly input?: string | Uint8Array | undefined
  readonly env?: NodeJS.ProcessEnv | undefined
  /** directory it is run in; this process's own if left out */
  readonly cwd?: string | undefined
  /** most bytes kept of each of its outputs, 64 KiB if left out; the rest is read and dropped */
  readonly limit?: number | undefined
}

/** Run a program to its end. Fails as node's spawn does (ENOENT, EACCES) when it cannot be started; an exit code is no failure. */
export async function run(command: string, args: readonly string[], options: RunOptions = {}): Promise<Ran> {
  const { signal, input, env, cwd, limit = 64 * 1024 } = options
  signal?.throwIfAborted()
  const child = spawn(command, args, { stdio: ['pipe', 'pipe', 'pipe'], detached: true, env, cwd })
  const end = () => child.pid !== undefined && child.exitCode === null && child.signalCode === null && endGroup(child.pid)
  signal?.addEventListener('abort', end, { once: true })
  try {
    const stdout = keep(child.stdout, limit)
    const stderr = keep(child.stderr, limit)
    // It may end without reading what it is given: its exit code says what that means.
    child.stdin.on('error', () => {})
    child.stdin.end(input)
    const code = await ended(child, 'close')
    signal?.throwIfAborted()
    return { stdout: stdout(), stderr: stderr(), code }
  } finally {
    signal?.removeEventListener('abort', end)
  }
}

/** A program that goes on without us. */
export interface Launched {
  readonly pid: number
  /** The first line it writes to descriptor 3, empty when it ends without one. */
  readonly said: Promise<string>
  /** Its exit code; never rejects. Waiting for it does not keep this process alive. */
  readonly ended: Promise<number>
}

export interface LaunchOptions {
  readonly env?: NodeJS.ProcessEnv | undefined
  /** descriptor its standard output and error go to; nowhere if left out */
  readonly log?: number | undefined
}

/** Start a program in a session of its own, so that it outlives this process. Fails as node's spawn does. */
export async function launch(command: string, args: readonly string[], options: LaunchOptions = {}): Promise<Launched> {
  const log = options.log ?? 'ignore'
  const child = spawn(command, args, { stdio: ['ignore', log, log, 'pipe'], detached: true, env: options.env })
  const over = ended(child, 'exit')
  // A program that could not be started has no pid, and `over` says why.
  if (child.pid === undefined) throw await over.then(() => new Error(`start ${command}: no process`))
  over.catch(() => {})
  child.unref()
  const said = firstLine(child.stdio[3] as Readable)
  return { pid: child.pid, said, ended: over.catch(() => 255) }
}

/** End by force the process with this pid; none there is as good. */
export function end(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL')
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error
  }
}

/** As {@link end}, and with it the group it leads. */
export const endGroup = (pid: number): void => end(-pid)

function ended(child: ChildProcess, event: 'exit' | 'close'): Promise<number> {
  return new Promise((resolve, reject) => {
    child.once('error', reject)
    child.once(event, (code: number | null, signal: NodeJS.Signals | null) =>
      resolve(code ?? 128 + (signal ? constants.signals[signal] : 0)),
    )
  })
}

/** The first `limit` bytes of a stream, once it has ended. */
function keep(stream: Readable, limit: number): () => string {
  const kept: Buffer[] = []
  let room = limit
  stream.on('data', (bytes: Buffer) => {
    if (room > 0) kept.push(bytes.subarray(0, room))
    room -= bytes.length
  })
  return () => Buffer.concat(kept).toString('utf8')
}

/** What comes before the first newline, 64 KiB at most; the stream is closed after it. */
function firstLine(stream: Readable): Promise<string> {
  const { promise, resolve } = Promise.withResolvers<string>()
  let text = ''
  stream.setEncoding('utf8')
  stream.on('data', (more: string) => {
    text += more
    if (text.includes('\n') || text.length > 64 * 1024) stream.destroy()
  })
  stream.on('error', () => {})
  stream.on('close', () => resolve(text.split('\n')[0] ?? ''))
  return promise
}
