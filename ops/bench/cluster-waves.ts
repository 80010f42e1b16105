import { type Origin, type OriginInit, startOrigin } from '../lab/origin.ts'
import { randomImage, sizeOf } from './cluster-images.ts'
import { type BenchCluster, benchCluster } from './cluster-nodes.ts'

/** An image that everybody pulls. */
export interface Cell {
  readonly bytes: number
  readonly layers: number
}

/** What one wave, or all waves of one update, took. */
export interface Wave extends Cell {
  readonly wave: 'lone' | 'create' | 'update'
  readonly nodes: number
  /** of each node, ms */
  readonly ms: readonly number[]
  /** bytes the registry sent, and what it would have sent to one */
  readonly origin: number
  readonly image: number
  /** bytes nodes took from each other, as they told */
  readonly peers: number
  readonly cpuMs: number
  readonly bus: { readonly in: number; readonly out: number }
  /** most memory a node ever had, bytes */
  readonly peakBytes: number
}

export interface WavesOptions {
  readonly nodes: number
  readonly scratch: string
  readonly unpack: boolean
  readonly origin?: OriginInit
}

/** One pulls alone; then all pull an image at once, and another of the same name a fifth of them at a time. Every cell is of nodes of its own, which have pulled a small image. */
export async function measureWaves(cell: Cell, options: WavesOptions): Promise<Wave[]> {
  const { nodes, scratch } = options
  await using origin = await startOrigin(options.origin)
  await using cluster = await benchCluster(nodes, { scratch })
  await using alone = await benchCluster(1, { scratch })
  const small = origin.serve('library/small', await randomImage(200_000, 2))
  for (const one of [alone, cluster]) await waveOf(one, small, one.names, options)
  const measure = { origin, cell, options }
  const lone = await measured({ ...measure, wave: 'lone', cluster: alone, size: 1 })
  const create = await measured({ ...measure, wave: 'create', cluster, size: nodes })
  const update = await measured({ ...measure, wave: 'update', cluster, size: Math.ceil(nodes / 5) })
  return [lone, create, update]
}

interface Measuring {
  readonly wave: Wave['wave']
  readonly cluster: BenchCluster
  readonly origin: Origin
  readonly cell: Cell
  /** how many at a time */
  readonly size: number
  readonly options: WavesOptions
}

async function measured({ wave, cluster, origin, cell, size, options }: Measuring): Promise<Wave> {
  const image = await randomImage(cell.bytes, cell.layers)
  const reference = origin.serve('library/image', image)
  origin.reset()
  const { names } = cluster
  const before = await cluster.used()
  const ms: number[] = []
  for (let at = 0; at < names.length; at += size) ms.push(...(await waveOf(cluster, reference, names.slice(at, at + size), options)))
  await cluster.settled(before.brought + names.length * cell.layers)
  const after = await cluster.used()
  const sent = origin.sent()
  await cluster.forget(reference)
  return {
    ...cell,
    wave,
    nodes: names.length,
    ms,
    origin: sent,
    image: sizeOf(image),
    peers: after.peers - before.peers,
    cpuMs: after.cpuMs - before.cpuMs,
    bus: { in: after.bus.in - before.bus.in, out: after.bus.out - before.bus.out },
    peakBytes: after.peakBytes,
  }
}

const waveOf = (cluster: BenchCluster, reference: string, names: readonly string[], { unpack }: WavesOptions): Promise<number[]> =>
  Promise.all(names.map((name) => cluster.pull(name, reference, { unpack })))
