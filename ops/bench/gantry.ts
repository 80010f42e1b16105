import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { type PullOptions, peakOf, type Run, run, timed } from './measure.ts'

export const bin = (name: string) => join(import.meta.dirname, '..', 'bin', name)

/** A fresh node on a fresh root, with a NATS server of its own. */
export interface BenchNode extends AsyncDisposable {
  readonly root: string
  readonly pid: number
}

export async function benchNode(options: PullOptions): Promise<BenchNode> {
  const root = await mkdtemp(join(options.scratch, 'gantry-'))
  const child = spawn(bin('gantry'), ['up', '--root', root, '--node', 'bench'], { stdio: ['ignore', 'pipe', 'ignore'] })
  const pid = child.pid ?? 0
  const ended = once(child, 'exit')
  await Promise.race([once(child.stdout, 'data'), ended.then(() => Promise.reject(new Error('the node did not come up')))])
  return {
    root,
    pid,
    async [Symbol.asyncDispose]() {
      child.kill('SIGTERM')
      await ended
    },
  }
}

/** One cold pull by a node of ours: a fresh root, a fresh node, `dist pull`. Its NATS server counts as ours. */
export async function pullWithGantry(reference: string, options: PullOptions): Promise<Run & { nodePeakBytes: number }> {
  await using node = await benchNode(options)
  if (options.first) await run(bin('dist'), ['pull', '--root', node.root, options.first])
  const servers = [node.pid, ...(await childrenOf(node.pid))]
  const taken = await timed(bin('dist'), ['pull', '--root', node.root, reference], { servers })
  return { ...taken, nodePeakBytes: peakOf(node.pid) }
}

/** Processes started by a process, by any of its threads. */
async function childrenOf(pid: number): Promise<number[]> {
  const threads = await readdir(`/proc/${pid}/task`)
  const lists = await Promise.all(threads.map((thread) => readFile(`/proc/${pid}/task/${thread}/children`, 'utf8')))
  return lists.flatMap((list) => list.split(' ').filter(Boolean).map(Number))
}
