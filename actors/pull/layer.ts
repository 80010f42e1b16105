import { Failure, isFailure } from '../../messages/grammar/index.ts'
import type { Step } from '../../messages/pull.ts'
import type { Descriptor, Digest } from '../../messages/words/index.ts'
import type { Limit } from '../../runtime/limit.ts'
import type { Asks } from './asks.ts'
import { layerLabels } from './labels.ts'

/** One layer of an image: its blob, what it must unpack to, the name it gets and the name it stands on. */
export interface Layer {
  readonly descriptor: Descriptor
  readonly diffId: Digest
  readonly chainId: Digest
  readonly parent: Digest | undefined
}

export interface LayerOptions {
  readonly driver: string | undefined
  /** holds the snapshot, from the moment it is prepared */
  readonly lease: string
  /** The driver takes the parent at commit: apply before the parent is there. */
  readonly rebase: boolean
  /** Resolves once the blob can be followed; then once it is verified. */
  readonly blob: { readonly begun: Promise<void>; readonly verified: Promise<void> }
  /** Resolves once the parent is committed. */
  readonly parentCommitted: Promise<void>
  /** Room for applying: held while a layer is applied, not while it waits for its parent. */
  readonly room: Limit
  /** Called once the layer came out as what it should be, and is committed. */
  readonly onVerified: (layer: Layer) => void
  readonly report: (progress: Partial<Omit<Step, 'descriptor'>>) => void
  readonly signal: AbortSignal
}

/**
 * Make the snapshot of one layer, while its blob still arrives. It is committed under its chainId only when digest and diffId are both
 * verified and its parent is committed. Whatever goes wrong, no active snapshot is left behind.
 */
export async function makeLayer(asks: Asks, layer: Layer, options: LayerOptions): Promise<void> {
  if (options.rebase || !layer.parent) {
    const done = await attempt(asks, layer, { ...options, onParent: false })
    if (done) return
  }
  await options.parentCommitted
  await attempt(asks, layer, { ...options, onParent: true })
}

/**
 * Prepare, apply, commit; false when it is worth another attempt, on top of the parent: the layer turns out to need that to be applied at all, because it links to
 * a file of it, or goes through a directory that is a link there; or its blob was brought anew under its hands.
 */
async function attempt(asks: Asks, layer: Layer, options: LayerOptions & { onParent: boolean }): Promise<boolean> {
  const { report, onParent, lease } = options
  // without its blob, applying would wait for ever
  const broken = new AbortController()
  options.blob.verified.catch((error: unknown) => broken.abort(error))
  const signal = AbortSignal.any([options.signal, broken.signal])
  const driver = options.driver ? { driver: options.driver } : {}
  const key = `layer-${layer.chainId}`
  const parent = layer.parent ? { parent: layer.parent } : {}
  let active = false
  try {
    const implied = await options.room(
      async () => {
        signal.throwIfAborted()
        active = true
        const { target } = await prepare(asks, { key, lease, ...driver, ...(onParent && parent) })
        signal.throwIfAborted()
        await options.blob.begun
        return await apply(asks, { layer, target, key }, { signal, report })
      },
      { signal },
    )
    await Promise.all([options.blob.verified, options.parentCommitted])
    signal.throwIfAborted()
    const rebased = onParent ? {} : { ...parent, implied }
    const labels = layerLabels(layer.descriptor, implied)
    await asks.snapshot.commit({ key, name: layer.chainId, labels, ...rebased, ...driver }, { signal, timeoutMs: slowMs })
    active = false
    options.onVerified(layer)
    return true
  } catch (error) {
    if (isFailure(error, 'already_exists')) return true
    if (!onParent && isFailure(error, 'failed_precondition') && needsParent(error)) {
      if (layer.parent) return false
      throw new Failure('data_loss', error.message, { cause: error })
    }
    if (!options.signal.aborted && (broken.signal.aborted || lostBlob(error))) {
      // what became of the blob says why; when it is here after all, it was brought anew meanwhile
      await options.blob.verified
      if (!onParent) return false
    }
    throw error
  } finally {
    if (active) await remove(asks, { key, ...driver })
  }
}

const slowMs = 120_000

const needsParent = (error: Failure): boolean => ['implied', 'parent'].includes(String(error.details?.['reason']))

const lostBlob = (error: unknown): boolean => isFailure(error) && error.details?.['reason'] === 'blob'

/**
 * A key of this name that is there already was left by a pull that ended badly: nobody else uses it, for one chainId is made once at a time. Not given up with the pull: it
 * takes a moment, and a snapshot that is prepared after all, when nobody waits for it any more, would stay.
 */
async function prepare(asks: Asks, request: { key: string; lease: string; parent?: string; driver?: string }) {
  try {
    return await asks.snapshot.prepare(request, { timeoutMs: slowMs })
  } catch (error) {
    if (!isFailure(error, 'already_exists')) throw error
    await remove(asks, request)
    return await asks.snapshot.prepare(request, { timeoutMs: slowMs })
  }
}

async function apply(
  asks: Asks,
  { layer, target, key }: { layer: Layer; target: Parameters<Asks['unpack']['apply']>[0]['target']; key: string },
  { signal, report }: Pick<LayerOptions, 'signal' | 'report'>,
): Promise<string[]> {
  const { descriptor, diffId } = layer
  const base = layer.parent === undefined
  let implied: string[] | undefined
  // To its very end: one that is left before has to be told so.
  for await (const item of asks.unpack.apply({ descriptor, target, expected: diffId, base, label: key }, { signal })) {
    const { offset: unpacked, written, entries } = item
    report({ unpacked, written, entries, ...('diffId' in item && item.notKept.length > 0 && { notKept: item.notKept }) })
    if ('diffId' in item) implied = item.implied
  }
  if (implied) return implied
  throw new Failure('unavailable', `unpack ${descriptor.digest}: it ended without saying what it came to`)
}

/** Not given up with the pull: what is left behind is the pull's to clean. */
async function remove(asks: Asks, request: { key: string; driver?: string }): Promise<void> {
  try {
    await asks.snapshot.remove({ key: request.key, ...(request.driver && { driver: request.driver }) }, { timeoutMs: slowMs })
  } catch (error) {
    if (!isFailure(error, 'not_found')) asks.log.warn({ err: error, key: request.key }, 'an active snapshot could not be removed')
  }
}
