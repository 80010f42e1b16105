import { writeFile } from 'node:fs/promises'
import { measureCapped } from './cluster-capped.ts'
import { measureFlat } from './cluster-flat.ts'
import { measureReads } from './cluster-reads.ts'
import { cappedTable, flatTable, readsTable, tagsTable, wavesTable } from './cluster-table.ts'
import { measureTags } from './cluster-tags.ts'
import { type Cell, measureWaves, type Wave } from './cluster-waves.ts'
import { freshGround } from './ground.ts'

export interface ClusterOptions {
  readonly nodes: number
  /** of images, MB */
  readonly sizes: readonly number[]
  readonly layers: readonly number[]
  readonly large: boolean
  readonly unpack: boolean
  readonly scratch: string
  readonly json?: string
}

/** What can be measured of nodes that share, by name. */
export const workloads = ['waves', 'capped', 'flat', 'reads', 'tags'] as const
export type Workload = (typeof workloads)[number]

/** Measure some of it, or all; each part is printed as soon as it is known. */
export async function cluster(wanted: readonly Workload[], options: ClusterOptions): Promise<void> {
  const measured: Record<string, unknown> = {}
  for (const workload of workloads.filter((one) => wanted.length === 0 || wanted.includes(one))) {
    await using ground = await freshGround(options.scratch)
    console.error(workload)
    const { result, text } = await measures[workload]({ ...options, scratch: ground.path })
    measured[workload] = result
    console.log(`\n${text}`)
  }
  if (options.json) await writeFile(options.json, JSON.stringify({ date: new Date().toISOString(), ...measured }, undefined, 2))
}

interface Part {
  readonly result: unknown
  readonly text: string
}

const measures: Readonly<Record<Workload, (options: ClusterOptions) => Promise<Part>>> = {
  async waves(options) {
    const result: Wave[] = []
    for (const cell of cellsOf(options)) {
      const waves = await measureWaves(cell, options)
      console.error(wavesTable(waves))
      result.push(...waves)
    }
    return { result, text: wavesTable(result) }
  },
  async capped(options) {
    const result = await measureCapped(options)
    return { result, text: cappedTable(result) }
  },
  async flat(options) {
    const result = await measureFlat({ ...options, counts: [1, 5, 10, 20] })
    return { result, text: flatTable(result) }
  },
  async reads(options) {
    const result = await measureReads({ ...options, counts: [100, 200, 500, 1000] })
    return { result, text: readsTable(result) }
  },
  async tags(options) {
    const result = await measureTags(options)
    return { result, text: tagsTable(result) }
  },
}

function cellsOf({ sizes, layers, large }: ClusterOptions): Cell[] {
  const all = [...(sizes.length > 0 ? sizes : [10, 100]), ...(large ? [1000] : [])]
  return all.flatMap((size) => (layers.length > 0 ? layers : [1, 4]).map((count) => ({ bytes: size * 1e6, layers: count })))
}
