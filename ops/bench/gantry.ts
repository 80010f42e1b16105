import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { type PullOptions, type Run, run, timed } from './measure.ts'

const bin = (name: string) => join(import.meta.dirname, '..', 'bin', name)

/** One cold pull by a node of ours: a fresh root, a fresh node with a NATS server of its own, `dist pull`. Its NATS server counts as ours. */
export async function pullWithGantry(reference: string, options: PullOptions): Promise<Run & { nodePeakBytes: number }> {
  const root = await mkdtemp(join(options.scratch, 'gantry-'))
  const node = spawn(bin('gantry'), ['up', '--root', root, '--node', 'bench'], { stdio: ['ignore', 'pipe', 'ignore'] })
  try {
    await once(node.stdout, 'data')
    const servers = [node.pid ?? 0, ...(await childrenOf(node.pid ?? 0))]
    if (options.first) await run(bin('dist'), ['pull', '--root', root, options.first])
    const taken = await timed(bin('dist'), ['pull', '--root', root, reference], { servers })
    return { ...taken, nodePeakBytes: await peak(servers[0] ?? 0) }
  } finally {
    node.kill('SIGTERM')
    if (node.exitCode === null) await once(node, 'exit')
  }
}

const peak = async (pid: number): Promise<number> =>
  Number(/^VmHWM:\s+(\d+) kB/m.exec(await readFile(`/proc/${pid}/status`, 'utf8'))?.[1] ?? 0) * 1024

/** Processes started by a process, by any of its threads. */
async function childrenOf(pid: number): Promise<number[]> {
  const threads = await readdir(`/proc/${pid}/task`)
  const lists = await Promise.all(threads.map((thread) => readFile(`/proc/${pid}/task/${thread}/children`, 'utf8')))
  return lists.flatMap((list) => list.split(' ').filter(Boolean).map(Number))
}
