import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp } from 'node:fs/promises'
import { join } from 'node:path'
import type { gc } from '../../messages/gc.ts'
import type { Protocol } from '../../messages/grammar/index.ts'
import type { image } from '../../messages/image.ts'
import type { pull } from '../../messages/pull.ts'
import type { swarm } from '../../messages/swarm.ts'
import type { Bus } from '../../runtime/bus/bus.ts'
import { client } from '../../runtime/bus/client.ts'
import { listen } from '../../runtime/bus/listen.ts'
import { connectNats } from '../../runtime/bus/nats.ts'
import { benchNats, type Traffic } from './cluster-nats.ts'
import { bin } from './gantry.ts'
import { cpuOf, peakOf } from './measure.ts'

/** Nodes as people run them, each a process and a root of its own, on one NATS server. */
export interface BenchCluster extends AsyncDisposable {
  readonly bus: Bus
  /** their names */
  readonly names: readonly string[]
  /** What was used so far, by all nodes and the server. */
  used(): Promise<Used>
  /** Have one pull an image; how long it took, ms. */
  pull(node: string, reference: string, options: { unpack: boolean }): Promise<number>
  /** Have all of them forget an image, and what they had for it. */
  forget(reference: string): Promise<void>
  /** Resolves once so many blobs were brought, or nobody told of one for a while. */
  settled(blobs: number): Promise<void>
}

export interface Used {
  /** of all nodes and the server, ms */
  readonly cpuMs: number
  readonly bus: Traffic
  /** bytes nodes took from each other, as they told */
  readonly peers: number
  /** blobs of which that was told */
  readonly brought: number
  /** most memory a node ever had, bytes */
  readonly peakBytes: number
}

/** Start so many, all at once. */
export async function benchCluster(count: number, { scratch }: { scratch: string }): Promise<BenchCluster> {
  await using stack = new AsyncDisposableStack()
  const nats = stack.use(await benchNats(scratch))
  const names = Array.from({ length: count }, (_, index) => `n${index + 1}`)
  const nodes = await Promise.all(names.map(async (name) => stack.use(await benchNode(name, nats.url, scratch))))
  const bus = stack.use(await connectNats({ url: nats.url }, { name: 'bench' }))
  let [peers, brought] = [0, 0]
  let wake = (): void => {}
  const handler = ({ data }: { data: { peers: Readonly<Record<string, number>> } }): void => {
    brought++
    peers += Object.values(data.peers).reduce((sum, bytes) => sum + bytes, 0)
    wake()
  }
  await stack.use(listen<typeof swarm, 'brought'>(bus, { actor: 'swarm', fact: 'brought' }, { handler })).ready
  const scope = stack.move()
  return {
    bus,
    names,
    async used() {
      const pids = [nats.pid, ...nodes.map(({ pid }) => pid)]
      const cpuMs = pids.reduce((sum, pid) => sum + cpuOf(pid), 0)
      return { cpuMs, bus: await nats.traffic(), peers, brought, peakBytes: Math.max(...nodes.map(({ pid }) => peakOf(pid))) }
    },
    async pull(node, reference, options) {
      const ask = client<typeof pull>(bus, { node, actor: 'pull' }, { timeoutMs: 600_000 })
      const began = performance.now()
      const { ticket } = await ask.start({ reference, ...options })
      for await (const { state } of ask.follow({ ticket }))
        if (state === 'failed' || state === 'cancelled') throw new Error(`${node}: ${state}`)
      return performance.now() - began
    },
    async forget(name) {
      const ask = <P extends Protocol>(node: string, actor: string) => client<P>(bus, { node, actor }, { timeoutMs: 60_000 })
      for (const node of names) {
        await ask<typeof image>(node, 'image').remove({ name })
        await ask<typeof gc>(node, 'gc').run({})
      }
    },
    async settled(blobs) {
      while (brought < blobs && (await Promise.race([new Promise<true>((resolve) => (wake = () => resolve(true))), quiet()])));
    },
    [Symbol.asyncDispose]: () => scope.disposeAsync(),
  }
}

/** ms without a word after which nothing more is waited for */
const quietMs = 3_000

const quiet = (): Promise<false> => new Promise((resolve) => setTimeout(resolve, quietMs, false))

async function benchNode(name: string, nats: string, scratch: string): Promise<{ pid: number } & AsyncDisposable> {
  const root = await mkdtemp(join(scratch, `${name}-`))
  const words = ['up', '--root', root, '--node', name, '--nats', nats, '--unpack-threads', '1', '--log', 'error']
  const child: ChildProcess = spawn(bin('gantry'), words, { stdio: ['ignore', 'pipe', 'inherit'] })
  const ended = once(child, 'exit')
  await Promise.race([once(child.stdout ?? child, 'data'), ended.then(() => Promise.reject(new Error(`node ${name} did not come up`)))])
  return {
    pid: child.pid ?? 0,
    async [Symbol.asyncDispose]() {
      child.kill('SIGTERM')
      await ended
    },
  }
}
