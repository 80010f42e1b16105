import { randomUUID } from 'node:crypto'
import { Failure, isFailure } from '../../messages/grammar/index.ts'
import type { SnapshotInfo } from '../../messages/snapshot.ts'
import type { Checked } from '../../messages/unpack.ts'
import { Descriptor } from '../../messages/words/index.ts'
import { type Asks, slowMs } from './asks.ts'

interface Options {
  readonly signal: AbortSignal
}

/** A committed snapshot and the layer it was made of. */
export interface Layered {
  readonly driver: string
  readonly name: string
  readonly parent: string | undefined
  readonly descriptor: Descriptor
  /** directories the layer does not describe; unknown when they were too many to be written down */
  readonly implied: string[] | undefined
}

/** What a snapshot says of the layer it was made of; undefined when it says nothing that can be read. */
export function layeredOf({ driver, key: name, parent, labels }: SnapshotInfo): Layered | undefined {
  const descriptor = Descriptor.safeParse(parsed(labels['gantry.layer'])).data
  const implied = parsed(labels['gantry.implied'])
  const isList = Array.isArray(implied) && implied.every((path) => typeof path === 'string')
  return descriptor && { driver, name, parent, descriptor, implied: isList ? implied : undefined }
}

function parsed(json: string | undefined): unknown {
  try {
    return json === undefined ? undefined : JSON.parse(json)
  } catch {
    return undefined
  }
}

/** Why a snapshot is damaged; undefined when it is sound. Fails when there is nothing to compare it with, or it is not there any more. */
export async function damageOfSnapshot(asks: Asks, layered: Layered, { signal }: Options): Promise<string | undefined> {
  const { driver, name, descriptor, implied } = layered
  const { target } = await asks.snapshot.layer({ key: name, driver }, { signal })
  for await (const item of asks.unpack.check({ descriptor, target, ...(implied && { implied }) }, { signal })) {
    if (!('damaged' in item)) continue
    if (item.differing === 0) return undefined
    // One that is removed meanwhile is not damaged: fails with not_found then.
    await asks.snapshot.stat({ key: name, driver }, { signal })
    return worded(item)
  }
  throw new Failure('unavailable', `compare ${name} with layer ${descriptor.digest}: it ended without saying what it came to`)
}

function worded({ entries, differing, damaged }: Checked): string {
  const told = damaged.slice(0, 3).map(({ path, why }) => `${path}: ${why}`)
  return `${differing} of ${entries} entries differ: ${told.join('; ')}${differing > told.length ? '; …' : ''}`
}

/** Make a snapshot again from its layer, and put it in the place of the damaged one, under whatever stands on it. */
export async function repairSnapshot(asks: Asks, layered: Layered, options: Options): Promise<void> {
  await using lease = await hold(asks, options)
  try {
    await remake(asks, { layered, lease: lease.id, onParent: false }, options)
  } catch (error) {
    if (layered.parent === undefined || !needsParent(error)) throw error
    await remake(asks, { layered, lease: lease.id, onParent: true }, options)
  }
}

/** As when it was made first: some layers can be applied on top of their parent only. */
const needsParent = (error: unknown): boolean =>
  isFailure(error, 'failed_precondition') && ['implied', 'parent'].includes(String(error.details?.['reason']))

/** What is made is not collected before it is in its place. */
async function hold(asks: Asks, { signal }: Options): Promise<{ id: string } & AsyncDisposable> {
  const { id } = await asks.lease.create({ id: `scrub-${randomUUID()}`, seconds: 86_400 }, { signal })
  return { id, [Symbol.asyncDispose]: async () => void (await asks.lease.remove({ id }).catch(() => {})) }
}

async function remake(
  asks: Asks,
  { layered, lease, onParent }: { layered: Layered; lease: string; onParent: boolean },
  { signal }: Options,
): Promise<void> {
  const { driver, name, parent, descriptor } = layered
  const key = `scrub-${randomUUID()}`
  const { target } = await asks.snapshot.prepare({ key, driver, lease, ...(onParent && parent !== undefined && { parent }) }, { signal })
  try {
    const implied = await apply(asks, { descriptor, target, label: key, base: parent === undefined }, { signal })
    await asks.snapshot.replace({ key, name, driver, ...(!onParent && { implied }) }, { signal, timeoutMs: slowMs })
  } catch (error) {
    // Not given up with the scrub: nobody else knows of it.
    await asks.snapshot.remove({ key, driver }, { timeoutMs: slowMs }).catch(() => {})
    throw error
  }
}

async function apply(asks: Asks, request: Parameters<Asks['unpack']['apply']>[0], { signal }: Options): Promise<string[]> {
  for await (const item of asks.unpack.apply(request, { signal })) if ('diffId' in item) return item.implied
  throw new Failure('unavailable', `apply ${request.descriptor.digest}: it ended without saying what it came to`)
}
