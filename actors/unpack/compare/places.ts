import { randomUUID } from 'node:crypto'
import { type Client, Failure, isFailure, type Log } from '../../../messages/grammar/index.ts'
import type { lease } from '../../../messages/lease.ts'
import type { Mount, SnapshotInfo, snapshot } from '../../../messages/snapshot.ts'
import { asLayer } from '../../../runtime/overlay-data.ts'
import { openTarget } from '../target.ts'
import { holding } from './holding.ts'

/** Who is asked for snapshots. */
export interface PlacesComponents {
  readonly snapshot: Pick<Client<typeof snapshot>, 'stat' | 'layer' | 'mounts' | 'view' | 'remove'>
  readonly lease: Pick<Client<typeof lease>, 'create' | 'add' | 'renew' | 'remove'>
  /** of the node */
  readonly root: string
  readonly log: Log
}

export interface PlacesInit {
  /** key or name */
  readonly upper: string
  /** name; the parent of `upper` if left out */
  readonly lower?: string | undefined
  readonly driver?: string | undefined
}

interface Asking {
  readonly signal: AbortSignal
  readonly trace: string
}

/** Two snapshots as directories to be read, for as long as it is not disposed. */
export interface Places extends AsyncDisposable {
  readonly upper: string
  readonly lower: string | undefined
  /** what the upper directory is: a whole tree, or what overlayfs keeps of changes */
  readonly finder: 'trees' | 'overlay'
  /** Fails with failed_precondition unless the upper snapshot is still there. */
  demandThere(): Promise<void>
}

/** ms a snapshot may take to be made. */
const slowMs = 30_000

/**
 * Show two snapshots. What has to be made for that is a view, mounted at a place below the root, and is taken away in the end; of a node that dies meanwhile the collector takes it, and
 * the start of the next unmounts it.
 */
export async function openPlaces(components: PlacesComponents, init: PlacesInit, asking: Asking): Promise<Places> {
  const { root, log } = components
  const { upper } = init
  const info = await components.snapshot.stat({ key: upper, ...(init.driver && { driver: init.driver }) }, asking)
  const { driver, parent } = info
  const lower = init.lower ?? parent
  await using stack = new AsyncDisposableStack()
  const held = stack.use(await holding(components, { kind: 'snapshot', key: `${driver}/${upper}` }, asking))

  const shown = async (mounts: readonly Mount[]): Promise<string> =>
    stack.use(await openTarget(root, { kind: 'mount', mounts: mounts.map(readOnly) }, asking)).path
  const view = async (name: string): Promise<string> => {
    const key = `compare-${randomUUID()}`
    const { mounts } = await components.snapshot.view({ key, parent: name, driver, lease: held.lease }, { ...asking, timeoutMs: slowMs })
    stack.defer(async () => {
      await components.snapshot.remove({ key, driver }, { timeoutMs: slowMs }).catch((error: unknown) => {
        log.warn({ err: error, key }, 'a view made to compare is left to the collector')
      })
    })
    return await shown(mounts)
  }

  const own = lower === parent ? await ownFiles(components, info, asking) : undefined
  const below = lower === undefined ? undefined : await view(lower)
  const above =
    own ??
    (info.kind === 'committed' ? await view(upper) : await shown((await components.snapshot.mounts({ key: upper, driver }, asking)).mounts))
  const opened = stack.move()
  return {
    upper: above,
    lower: below,
    finder: own === undefined ? 'trees' : 'overlay',
    demandThere: () => demandThere(components, info, asking),
    [Symbol.asyncDispose]: () => opened.disposeAsync(),
  }
}

/** The directory overlayfs keeps its changes in; undefined where the driver keeps none apart. */
async function ownFiles({ snapshot }: PlacesComponents, { kind, key, driver }: SnapshotInfo, asking: Asking): Promise<string | undefined> {
  if (kind === 'view') return undefined
  try {
    const { target } = await snapshot.layer({ key, driver }, asking)
    return target.kind === 'directory' && target.whiteouts === 'overlay' ? target.path : undefined
  } catch (error) {
    if (isFailure(error, 'unimplemented')) return undefined
    throw error
  }
}

async function demandThere({ snapshot }: PlacesComponents, { key, driver, createdAt }: SnapshotInfo, asking: Asking): Promise<void> {
  const now = await snapshot.stat({ key, driver }, asking).catch((error: unknown) => {
    if (!isFailure(error, 'not_found')) throw error
  })
  if (now?.createdAt !== createdAt) throw new Failure('failed_precondition', `make a layer of snapshot ${key}: it was removed meanwhile`)
}

/** What is shown by a mount, without a way to write there. What overlayfs writes to is one layer more to read: nobody else's mount of it is disturbed. */
export function readOnly({ type, source, options }: Mount): Mount {
  if (type !== 'overlay') return { type, source, options: [...options.filter((option) => option !== 'rw' && option !== 'ro'), 'ro'] }
  const optionOf = (name: string) => options.find((option) => option.startsWith(`${name}=`))?.slice(name.length + 1)
  const upper = optionOf('upperdir')
  const rest = options.filter((option) => !/^(upperdir|workdir|lowerdir)=/.test(option))
  const layers = [...(upper === undefined ? [] : [asLayer(upper)]), optionOf('lowerdir')]
  return { type, source, options: [...rest, `lowerdir=${layers.join(':')}`] }
}
