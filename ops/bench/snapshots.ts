import { mkdtemp, rmdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { mountAll } from '../../runtime/mounts.ts'
import { freshGround } from './ground.ts'
import { run } from './measure.ts'
import { containerdSnapshots } from './snapshots-containerd.ts'
import { gantrySnapshots } from './snapshots-gantry.ts'
import type { SnapshotStore } from './snapshots-store.ts'

/** What a snapshot goes through, each step one question; `mount` is ours on both sides, of the mounts it answered. */
export const steps = ['prepare', 'mounts', 'mount', 'commit', 'view', 'remove'] as const
export type Step = (typeof steps)[number]

/** What one run with one driver took. */
export interface Lived {
  readonly who: string
  readonly driver: string
  /** of each step of each life, one after the other, ms */
  readonly ms: Readonly<Record<Step, readonly number[]>>
  /** lives a second, eight at a time */
  readonly rate: number
}

export interface SnapshotsOptions {
  readonly runs: number
  /** in each run */
  readonly lives: number
  /** below each of them */
  readonly layers: number
  /** in each layer */
  readonly files: number
  readonly scratch: string
  readonly withPeer: boolean
}

/**
 * Lives of snapshots, ours and containerd's alternately, every run of both on stores new to it: prepared on a chain of layers, asked for, mounted, committed, viewed, removed.
 */
export async function measureSnapshots(options: SnapshotsOptions): Promise<Lived[]> {
  const kinds = [
    { who: 'gantry', start: gantrySnapshots },
    ...(options.withPeer ? [{ who: 'containerd', start: containerdSnapshots }] : []),
  ]
  await using ground = await freshGround(options.scratch)
  const lived: Lived[] = []
  for (let i = 0; i <= options.runs; i++) {
    console.error(`snapshots: run ${i} of ${options.runs}`)
    for (const { who, start } of kinds) {
      await run('sync', ['-f', ground.path])
      await using store = await start({ scratch: ground.path })
      for (const [driver, name] of store.drivers) {
        const taken = { who, driver, ...(await livesOf(store, name, options)) }
        if (i > 0) lived.push(taken)
      }
    }
  }
  return lived
}

async function livesOf(
  store: SnapshotStore,
  driver: string,
  { lives, layers, files }: SnapshotsOptions,
): Promise<Pick<Lived, 'ms' | 'rate'>> {
  const at = await mkdtemp(join(store.root, 'at-'))
  const parent = await chain(store, driver, { layers, files, at })
  const stopwatch = stopwatches()
  for (let n = 0; n < 3; n++) await life(store, driver, { key: `warm-${n}`, parent, at, timed: stopwatches().timed })
  for (let n = 0; n < lives; n++) await life(store, driver, { key: `one-${n}`, parent, at, timed: stopwatch.timed })
  const began = performance.now()
  const left = Array.from({ length: lives }, (_, n) => `many-${n}`).values()
  const worker = async () => {
    const own = await mkdtemp(join(store.root, 'at-'))
    for (const key of left) await life(store, driver, { key, parent, at: own, timed: (_, work) => work() })
  }
  await Promise.all(Array.from({ length: 8 }, worker))
  const rate = (lives / (performance.now() - began)) * 1000
  await rmdir(at)
  return { ms: stopwatch.ms, rate }
}

/** Layers with files in each, one on the other; the name of the last. */
async function chain(
  store: SnapshotStore,
  driver: string,
  { layers, files, at }: { layers: number; files: number; at: string },
): Promise<string> {
  let parent: string | undefined
  for (let n = 0; n < layers; n++) {
    await using _mounted = await mountAll(await store.prepare(driver, `to-be-${n}`, parent), at)
    for (let file = 0; file < files; file++) await writeFile(join(at, `${n}-${file}`), Buffer.alloc(4096, n))
    parent = `layer-${n}`
    await store.commit(driver, `to-be-${n}`, parent)
  }
  return parent ?? ''
}

interface Life {
  readonly key: string
  readonly parent: string
  readonly at: string
  readonly timed: <T>(step: Step, work: () => Promise<T>) => Promise<T>
}

async function life(store: SnapshotStore, driver: string, { key, parent, at, timed }: Life): Promise<void> {
  await timed('prepare', () => store.prepare(driver, key, parent))
  const mounts = await timed('mounts', () => store.mounts(driver, key))
  {
    await using _mounted = await timed('mount', () => mountAll(mounts, at))
    await writeFile(join(at, 'new'), key)
  }
  await timed('commit', () => store.commit(driver, key, `${key}-done`))
  await timed('view', () => store.view(driver, `${key}-view`, `${key}-done`))
  await store.remove(driver, `${key}-view`)
  await timed('remove', () => store.remove(driver, `${key}-done`))
}

function stopwatches() {
  const ms: Record<Step, number[]> = { prepare: [], mounts: [], mount: [], commit: [], view: [], remove: [] }
  const timed: Life['timed'] = async (step, work) => {
    const began = performance.now()
    const result = await work()
    ms[step].push(performance.now() - began)
    return result
  }
  return { ms, timed }
}
