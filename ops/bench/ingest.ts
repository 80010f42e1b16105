import { freemem } from 'node:os'
import { freshGround } from './ground.ts'
import { type Blob, blobsOf } from './ingest-blobs.ts'
import { containerdStore } from './ingest-containerd.ts'
import { gantryStore } from './ingest-gantry.ts'
import { type IngestLimits, ingestLimits } from './ingest-limits.ts'
import type { BenchStore, Way } from './ingest-ways.ts'
import { run, warmMemory } from './measure.ts'

/** What one run of one way took. */
export interface Ingested {
  readonly who: string
  readonly way: string
  readonly size: number
  /** how many at a time */
  readonly at: number
  readonly count: number
  /** until the last was content, ms */
  readonly wallMs: number
  /** until all of it was on disk, ms */
  readonly durableMs: number
  /** each, from the question to the answer, ms */
  readonly eachMs: readonly number[]
}

export interface IngestsMeasured {
  readonly runs: readonly Ingested[]
  readonly limits: readonly IngestLimits[]
}

export interface IngestOptions {
  readonly runs: number
  readonly scratch: string
  readonly withPeer: boolean
  readonly sizes: readonly number[]
}

const atOnce = [1, 8] as const

/** How many of a size make a run: enough to have a rate, few enough that a run of all takes seconds. */
const countOf = (size: number, at: number): number => Math.max(at, 4, Math.min(400, Math.floor(2 ** 26 / size)))

/**
 * Ours and containerd's stores, alternately, each fresh in every run and warmed with a few blobs that are not counted; every size on a file system made new for it, from which nothing is deleted meanwhile.
 */
export async function measureIngests(options: IngestOptions): Promise<IngestsMeasured> {
  const kinds = [{ who: 'gantry', start: gantryStore }, ...(options.withPeer ? [{ who: 'containerd', start: containerdStore }] : [])]
  await warmMemory(Math.min(4e9, freemem() * 0.5))
  const runs: Ingested[] = []
  const limits: IngestLimits[] = []
  for (const size of options.sizes) {
    await using ground = await freshGround(options.scratch)
    limits.push(await ingestLimits(blobsOf(size, countOf(size, 1)), { scratch: ground.path }))
    for (let i = 0; i <= options.runs; i++) {
      console.error(`blobs of ${size} bytes: run ${i} of ${options.runs}`)
      for (const { who, start } of kinds) {
        await run('sync', [])
        await using store = await start({ scratch: ground.path })
        const taken = await runOf(store, { who, size })
        if (i > 0) runs.push(...taken)
      }
    }
  }
  return { runs, limits }
}

async function runOf(store: BenchStore, { who, size }: { who: string; size: number }): Promise<Ingested[]> {
  const runs: Ingested[] = []
  for (const way of store.ways.filter(({ upTo = Number.POSITIVE_INFINITY }) => size <= upTo)) {
    await all(blobsOf(size, Math.ceil(countOf(size, 1) / 8)), way, 8)
    for (const at of atOnce) {
      const blobs = blobsOf(size, countOf(size, at))
      await run('sync', ['-f', store.root])
      const began = performance.now()
      const eachMs = await all(blobs, way, at)
      const wallMs = performance.now() - began
      await run('sync', ['-f', store.root])
      runs.push({ who, way: way.name, size, at, count: blobs.length, wallMs, durableMs: performance.now() - began, eachMs })
    }
  }
  return runs
}

/** Bring them all, so many at a time; how long each took. */
async function all(blobs: readonly Blob[], way: Way, at: number): Promise<number[]> {
  const left = blobs.values()
  const took: number[] = []
  const worker = async () => {
    for (const blob of left) {
      const began = performance.now()
      await way.ingest(blob)
      took.push(performance.now() - began)
    }
  }
  await Promise.all(Array.from({ length: at }, worker))
  return took
}
