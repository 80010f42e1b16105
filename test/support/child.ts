/** A program of the tests in a process of its own, to be killed. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'

export interface Child extends AsyncDisposable {
  readonly pid: number
  /** every line it said so far */
  readonly said: readonly string[]
  /** Resolves once it has said a line; rejects when it ends before. */
  saying(line: string): Promise<void>
  /** End it as a crash would; resolves when it is gone, all it said read. Fails when it had ended by itself. */
  kill(): Promise<void>
  /** Resolves when it is gone: its exit code, undefined when it was killed. */
  readonly ended: Promise<number | undefined>
}

/** Start `node script …words`, `through` another command if one is given. What it says on stderr it says on ours. */
export function startChild(script: URL, words: readonly string[], { through = [] }: { through?: readonly string[] } = {}): Child {
  const [program = '', ...rest] = [...through, process.execPath, '--disable-warning=ExperimentalWarning', script.pathname, ...words]
  // Children start by the hundred.
  const env = { ...process.env, NODE_COMPILE_CACHE: join(tmpdir(), 'gantry-test-compiled') }
  const child = spawn(program, rest, { stdio: ['ignore', 'pipe', 'inherit'], env })
  const said: string[] = []
  const waiting = new Map<string, () => void>()
  createInterface({ input: child.stdout }).on('line', (line) => {
    said.push(line)
    waiting.get(line)?.()
  })
  const ended = once(child, 'close').then(([code]) => (code === null ? undefined : Number(code)))
  return {
    pid: child.pid ?? 0,
    said,
    saying(line) {
      const { promise, resolve, reject } = Promise.withResolvers<void>()
      if (said.includes(line)) resolve()
      waiting.set(line, resolve)
      void ended.then((code) => reject(new Error(`${script.pathname} ended with ${code} and never said ${JSON.stringify(line)}`)))
      return promise
    },
    async kill() {
      child.kill('SIGKILL')
      const code = await ended
      if (code !== undefined) throw new Error(`${script.pathname} ended by itself with ${code}`)
    },
    ended,
    async [Symbol.asyncDispose]() {
      child.kill('SIGKILL')
      await ended
    },
  }
}
