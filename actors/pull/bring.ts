import type { Brought, PullInput, Resolved } from '../../machines/pull.ts'
import { Failure, isFailure } from '../../messages/grammar/index.ts'
import { chainIds, type Descriptor, type Digest } from '../../messages/words/index.ts'
import type { Limit } from '../../runtime/limit.ts'
import type { Shared } from '../../runtime/shared.ts'
import { about } from './about.ts'
import type { Asks } from './asks.ts'
import { type BlobProgress, bringBlob } from './blob.ts'
import type { Board } from './board.ts'
import { hasSnapshot, type Layer, type LayerOptions, makeLayer } from './layer.ts'
import { readTree, type Tree } from './tree.ts'
import { allOrNone } from './walk.ts'

/** What all pulls of a node have in common, so that nothing is fetched or made twice at once. */
export interface Bringing {
  readonly asks: Asks
  readonly blobs: Shared<Digest, void, BlobProgress>
  readonly layers: Shared<string, void, Parameters<LayerOptions['report']>[0]>
  /** of ingests held, see {@link bringBlob} */
  readonly tokens: Map<Digest, string>
  readonly downloads: Limit
  readonly applies: Limit
}

interface BringOptions {
  readonly board: Board
  readonly signal: AbortSignal
}

/**
 * Bring an image's whole tree into content and, unless told otherwise, its layers into snapshots. Can be run again after any failure: what
 * is there is found there.
 */
export async function bring(
  all: Bringing,
  { input, resolved }: { input: PullInput; resolved: Resolved },
  { board, signal }: BringOptions,
): Promise<Brought> {
  const { name, descriptor: root } = resolved
  board.mark(root, {})
  const read = async (descriptor: Descriptor, options: { signal: AbortSignal }) => {
    await blob(all, { name, descriptor }, { board, signal: options.signal }).verified
    finish(board, descriptor)
    return await persist(() => readWhole(all.asks, descriptor, options), options)
  }
  const { persist } = all.asks
  const driver = input.unpack ? persist(() => pickDriver(all.asks, input.driver, { signal }), { signal }) : undefined
  driver?.catch(() => {})
  const tree = await readTree({ root, platform: input.platform }, read, { signal })
  for (const { descriptor } of tree.layers) board.mark(descriptor, { status: 'waiting' })
  await bringLayers(all, { name, tree, driver: await driver }, { board, signal })
  return { manifest: tree.manifest, config: tree.config, platform: tree.platform, parts: tree.parts }
}

/** One blob, shared with every other pull that wants it. Both promises fail when it does; neither needs to be awaited. */
function blob(
  all: Bringing,
  { name, descriptor }: { name: string; descriptor: Descriptor },
  { board, signal }: BringOptions,
): LayerOptions['blob'] {
  const begun = Promise.withResolvers<void>()
  const work = (joined: AbortSignal, report: (progress: BlobProgress) => void) =>
    all.downloads(
      () =>
        all.asks.persist(() => bringBlob(all.asks, { name, descriptor, tokens: all.tokens }, { signal: joined, report }), {
          signal: joined,
        }),
      {
        signal: joined,
      },
    )
  const onProgress = (progress: BlobProgress) => {
    begun.resolve()
    board.mark(descriptor, progress)
  }
  const verified = all.blobs.run(descriptor.digest, work, { signal, onProgress })
  verified.then(begun.resolve, begun.reject)
  begun.promise.catch(() => {})
  return { begun: begun.promise, verified }
}

async function bringLayers(
  all: Bringing,
  { name, tree, driver }: { name: string; tree: Tree; driver: Driver | undefined },
  { board, signal }: BringOptions,
): Promise<void> {
  const chain = chainIds(tree.layers.map((layer) => layer.diffId))
  const committed = tree.layers.map(() => Promise.withResolvers<void>())
  for (const { promise } of committed) promise.catch(() => {})

  await allOrNone(tree.layers, signal, async ({ descriptor, diffId }, joined, i) => {
    const options = { board, signal: joined }
    const fetched = blob(all, { name, descriptor }, options)
    fetched.verified.catch(() => {})
    try {
      if (driver) {
        const layer: Layer = { descriptor, diffId, chainId: chain[i] ?? diffId, parent: chain[i - 1] }
        await snapshot(all, layer, { driver, blob: fetched, parentCommitted: committed[i - 1]?.promise ?? Promise.resolve(), ...options })
      }
      await fetched.verified
      committed[i]?.resolve()
      finish(board, descriptor)
    } catch (error) {
      committed[i]?.reject(error)
      board.mark(descriptor, { status: 'failed' })
      throw about(error, `bring layer ${descriptor.digest}`, descriptor.digest)
    }
  })
}

/** One layer's snapshot, shared with every other pull that wants it. */
async function snapshot(
  all: Bringing,
  layer: Layer,
  { driver, board, ...options }: BringOptions & Pick<LayerOptions, 'blob' | 'parentCommitted'> & { driver: Driver },
): Promise<void> {
  const { asks } = all
  const { signal } = options
  if (await asks.persist(() => hasSnapshot(asks, layer.chainId, { driver: driver.name, signal }), { signal })) return
  const work = (signal: AbortSignal, report: LayerOptions['report']) =>
    asks.persist(
      () => makeLayer(asks, layer, { ...options, driver: driver.name, rebase: driver.rebase, room: all.applies, report, signal }),
      { signal },
    )
  const onProgress = (progress: Parameters<LayerOptions['report']>[0]) => {
    const here = stepOf(board, layer.descriptor)
    board.mark(layer.descriptor, { ...progress, ...(here && here.offset >= layer.descriptor.size && { status: 'unpacking' as const }) })
  }
  while (true) {
    try {
      return await all.layers.run(`${driver.name} ${layer.chainId}`, work, { signal: options.signal, onProgress })
    } catch (error) {
      // The pull that began this layer was given up, and its blob and parent with it; this one goes on with its own.
      if (!isFailure(Failure.from(error), 'cancelled') || options.signal.aborted) throw error
    }
  }
}

/** What was here before, and needed nothing done, stays told as such. */
function finish(board: Board, descriptor: Descriptor): void {
  if (stepOf(board, descriptor)?.status !== 'exists') board.mark(descriptor, { status: 'done' })
}

const stepOf = (board: Board, { digest }: Descriptor) => board.steps.find((step) => step.descriptor.digest === digest)

interface Driver {
  readonly name: string
  readonly rebase: boolean
}

async function pickDriver(asks: Asks, wanted: string | undefined, options: { signal: AbortSignal }): Promise<Driver> {
  const { drivers } = await asks.snapshot.drivers({}, options)
  const driver = wanted ? drivers.find((one) => one.name === wanted) : drivers.find((one) => one.usable)
  if (driver?.usable) return driver
  if (driver)
    throw Failure.fromData({ code: driver.code ?? 'unimplemented', message: `unpack with snapshot driver ${driver.name}: ${driver.why}` })
  if (wanted) throw new Failure('unimplemented', `unpack with snapshot driver ${wanted}: there is none of that name`)
  const why = drivers.map((one) => `${one.name}: ${one.why}`).join('; ')
  throw Failure.fromData({ code: drivers[0]?.code ?? 'unimplemented', message: `unpack: no snapshot driver can be used here: ${why}` })
}

/** A small blob of content, whole. */
async function readWhole(asks: Asks, descriptor: Descriptor, options: { signal: AbortSignal }): Promise<Uint8Array> {
  const whole = new Uint8Array(descriptor.size)
  for (let offset = 0; offset < whole.length; ) {
    const { bytes } = await asks.content.read({ digest: descriptor.digest, offset }, options)
    whole.set(bytes, offset)
    offset += bytes.length
  }
  return whole
}
