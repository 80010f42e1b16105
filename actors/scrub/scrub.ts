import type { Info } from '../../messages/content.ts'
import { Failure, isFailure } from '../../messages/grammar/index.ts'
import type { Finding } from '../../messages/scrub.ts'
import type { SnapshotInfo } from '../../messages/snapshot.ts'
import type { Thing } from '../../messages/words/index.ts'
import type { Asks } from './asks.ts'
import { beside } from './beside.ts'
import { damageOfBlob, repairBlob } from './blob.ts'
import { damageOfSnapshot, layeredOf, repairSnapshot } from './snapshot.ts'
import { blobsOf, snapshotsOf, type Wanted } from './things.ts'

export interface ScrubComponents {
  readonly asks: Asks
  /** Tell, durably, what was found, or made again. */
  readonly tell: (fact: 'damaged' | 'repaired', data: Thing & { why?: string }) => Promise<void>
  /** things looked at at once */
  readonly atOnce: number
}

interface Options {
  readonly signal: AbortSignal
}

/** Look at things: blobs first, for snapshots are compared with them, and made again from them. */
export async function* scrubThings(
  { asks, tell, atOnce }: ScrubComponents,
  { repair, ...wanted }: Wanted & { repair: boolean },
  { signal }: Options,
): AsyncGenerator<Finding> {
  const look = (subject: Subject, options: Options) => lookAt(subject, { tell, repair }, options)
  const blob = (info: Info, options: Options) => look(blobSubject(asks, info), options)
  const snapshot = (info: SnapshotInfo, options: Options) => look(snapshotSubject(asks, info), options)
  yield* found(beside(blobsOf(asks, wanted, { signal }), blob, { atOnce, signal }))
  yield* found(beside(snapshotsOf(asks, wanted, { signal }), snapshot, { atOnce, signal }))
}

/** What was not there any more is no finding. */
async function* found(findings: AsyncIterable<Finding | undefined>): AsyncGenerator<Finding> {
  for await (const finding of findings) if (finding) yield finding
}

/** One thing, and what can be done about it. */
interface Subject {
  readonly thing: Thing
  readonly size?: number
  /** Why it is damaged; undefined when it is sound. */
  damage(options: Options): Promise<string | undefined>
  repair(options: Options): Promise<void>
}

const blobSubject = (asks: Asks, info: Info): Subject => ({
  thing: { kind: 'content', key: info.digest },
  size: info.size,
  damage: (options) => damageOfBlob(asks, info.digest, options),
  repair: (options) => repairBlob(asks, info, options),
})

function snapshotSubject(asks: Asks, info: SnapshotInfo): Subject {
  const thing: Thing = { kind: 'snapshot', key: `${info.driver}/${info.key}` }
  const layered = layeredOf(info)
  const unknown = () => Promise.reject(new Failure('unimplemented', `compare ${thing.key}: it does not say which layer it was made of`))
  if (!layered) return { thing, damage: unknown, repair: unknown }
  return {
    thing,
    damage: (options) => damageOfSnapshot(asks, layered, options),
    repair: (options) => repairSnapshot(asks, layered, options),
  }
}

/** One that cannot be looked at is unknown, and stops no other. */
async function lookAt(
  subject: Subject,
  { tell, repair }: Pick<ScrubComponents, 'tell'> & { repair: boolean },
  { signal }: Options,
): Promise<Finding | undefined> {
  const { thing, size } = subject
  const finding = { ...thing, ...(size !== undefined && { size }) }
  try {
    const why = await subject.damage({ signal })
    if (why === undefined) return { ...finding, state: 'sound' }
    await tell('damaged', { ...thing, why })
    if (!repair) return { ...finding, state: 'damaged', why }
    const stays = await repaired(subject, { signal })
    if (stays !== undefined) return { ...finding, state: 'damaged', why: `${why}; it stays so: ${stays}` }
    await tell('repaired', thing)
    return { ...finding, state: 'repaired', why }
  } catch (error) {
    signal.throwIfAborted()
    if (isGone(error)) return undefined
    return { ...finding, state: 'unknown', why: Failure.from(error).message }
  }
}

/** Why it could not be made again; undefined when it is sound now. */
async function repaired(subject: Subject, { signal }: Options): Promise<string | undefined> {
  try {
    await subject.repair({ signal })
    return await subject.damage({ signal })
  } catch (error) {
    signal.throwIfAborted()
    return Failure.from(error).message
  }
}

/** A layer that is not here says so in its details: the snapshot is. */
const isGone = (error: unknown): boolean => isFailure(error, 'not_found') && error.details?.['reason'] !== 'blob'
