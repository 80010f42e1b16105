import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { createInterface } from 'node:readline'

const bin = (name: string) => join(import.meta.dirname, '..', 'bin', name)

/** A node of the demo's own. */
export interface DemoNode extends AsyncDisposable {
  readonly root: string
  /** what it said when it was up */
  readonly line: string
}

/** Start `gantry up` on a root of its own; resolves once it is up. */
export async function gantryNode(root: string): Promise<DemoNode> {
  const child = spawn(bin('gantry'), ['up', '--root', root, '--node', 'demo'], { stdio: ['ignore', 'pipe', 'inherit'] })
  const ended = once(child, 'exit')
  const first = once(createInterface(child.stdout), 'line')
  const [line] = (await Promise.race([first, ended.then(() => Promise.reject(new Error('the node did not come up')))])) as [string]
  return {
    root,
    line,
    async [Symbol.asyncDispose]() {
      child.kill('SIGTERM')
      await ended
    },
  }
}

/**
 * Run a command on the node, its output ours; answers its exit code, which must be 0 unless it may fail. With `enoughMs` it is told to stop after so long, and the
 * answer is `enough`.
 */
export async function gantry(
  command: 'gantry' | 'dist' | 'ctr',
  args: readonly string[],
  { root }: DemoNode,
  { mayFail = false, enoughMs }: { mayFail?: boolean; enoughMs?: number } = {},
): Promise<number | 'enough'> {
  const child = spawn(bin(command), args, { stdio: 'inherit', env: { ...process.env, GANTRY_ROOT: root } })
  let enough = false
  const stop = () => {
    enough = true
    child.kill('SIGTERM')
  }
  const timer = enoughMs === undefined ? undefined : setTimeout(stop, enoughMs)
  const [code] = (await once(child, 'exit')) as [number | null]
  clearTimeout(timer)
  if (enough) return 'enough'
  if (code !== 0 && !mayFail) throw new Error(`${command} ${args.join(' ')}: exit code ${code}`)
  return code ?? 1
}
