import type { Info } from '../../messages/content.ts'
import { Failure } from '../../messages/grammar/index.ts'
import type { SnapshotInfo } from '../../messages/snapshot.ts'
import { isDigest } from '../../messages/words/index.ts'
import type { Asks } from './asks.ts'

/** What is looked at: all of the kinds asked for, or those named. */
export interface Wanted {
  readonly kinds: readonly ('content' | 'snapshot')[]
  /** digests of blobs, driver/key of snapshots */
  readonly keys?: readonly string[] | undefined
}

interface Options {
  readonly signal: AbortSignal
}

/** Blobs to look at, read page by page. Fails with not_found for one named that is not there. */
export async function* blobsOf(asks: Asks, { kinds, keys }: Wanted, options: Options): AsyncGenerator<Info> {
  if (!kinds.includes('content')) return
  if (keys) {
    for (const digest of keys.filter(isDigest)) yield await asks.content.info({ digest }, options)
    return
  }
  for (let after: string | undefined; ; ) {
    const { blobs, more } = await asks.content.list({ ...(after !== undefined && { after }) }, options)
    yield* blobs
    after = blobs.at(-1)?.digest
    if (!more) return
  }
}

/** Committed snapshots to look at, of every driver, read page by page. Fails with not_found for one named that is not there. */
export async function* snapshotsOf(asks: Asks, { kinds, keys }: Wanted, options: Options): AsyncGenerator<SnapshotInfo> {
  if (!kinds.includes('snapshot')) return
  if (keys) {
    for (const name of keys.filter((key) => !isDigest(key))) yield await asks.snapshot.stat(partsOf(name), options)
    return
  }
  const { drivers } = await asks.snapshot.drivers({}, options)
  for (const { name: driver } of drivers) yield* committedOf(asks, driver, options)
}

async function* committedOf(asks: Asks, driver: string, options: Options): AsyncGenerator<SnapshotInfo> {
  for (let after: string | undefined; ; ) {
    const request = { driver, filters: ['kind==committed'], ...(after !== undefined && { after }) }
    const { snapshots, more } = await asks.snapshot.list(request, options)
    yield* snapshots
    after = snapshots.at(-1)?.key
    if (!more) return
  }
}

function partsOf(name: string): { driver: string; key: string } {
  const slash = name.indexOf('/')
  if (slash < 1 || slash === name.length - 1)
    throw new Failure('invalid_argument', `look at ${JSON.stringify(name)}: neither a digest nor driver/key of a snapshot`)
  return { driver: name.slice(0, slash), key: name.slice(slash + 1) }
}
