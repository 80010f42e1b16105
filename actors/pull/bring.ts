import type { Brought, PullInput, Resolved } from '../../machines/pull.ts'
import { Failure, isFailure } from '../../messages/grammar/index.ts'
import { chainIds, type Descriptor, type Digest, type Labels, type Thing } from '../../messages/words/index.ts'
import type { Limit } from '../../runtime/limit.ts'
import type { Shared, Work } from '../../runtime/shared.ts'
import { about } from './about.ts'
import type { Asks } from './asks.ts'
import { type BlobProgress, bringBlob } from './blob.ts'
import type { Board } from './board.ts'
import { type Company, keepCompany, nobody } from './company.ts'
import { demandHere, type Found, lookFor, recorded } from './here.ts'
import { unpackedImageLabels, unpackedLabels } from './labels.ts'
import { type Layer, type LayerOptions, makeLayer } from './layer.ts'
import { holds, type PullLease } from './lease.ts'
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
  readonly lease: PullLease
  readonly signal: AbortSignal
}

/**
 * Bring an image's whole tree into content and, unless told otherwise, its layers into snapshots. Can be run again after any failure: what
 * is there is found there. All of it is held by the lease when this resolves, and what there is of it when it fails.
 */
export async function bring(
  all: Bringing,
  { input, resolved }: { input: PullInput; resolved: Resolved },
  { board, lease, signal }: BringOptions,
): Promise<Brought> {
  const { name, descriptor: root } = resolved
  const { persist } = all.asks
  board.mark(root, {})
  const driver = input.unpack ? persist(() => pickDriver(all.asks, input.driver, { signal }), { signal }) : undefined
  driver?.catch(() => {})
  const found = await recorded(all.asks, { name, target: root, lease }, { signal })
  const only = input.here === true
  await using company = await persist(() => keepCompany(only ? nobody : all.asks.enter, root.digest), { signal })
  const from = { name, found, only, company }
  const read = async (descriptor: Descriptor, options: { signal: AbortSignal }) => {
    await lookFor(all.asks, { found, digests: [descriptor.digest], lease }, options)
    await blob(all, { ...from, descriptor }, { board, lease, signal: options.signal }).verified
    finish(board, descriptor)
    return await persist(() => readWhole(all.asks, descriptor, options), options)
  }
  const tree = await readTree({ root, platform: input.platform }, read, { signal })
  for (const { descriptor } of tree.layers) board.mark(descriptor, { status: 'waiting' })
  await bringLayers(all, { ...from, tree, driver: await driver }, { board, lease, signal })
  return { manifest: tree.manifest, config: tree.config, platform: tree.platform, parts: tree.parts }
}

/** Where blobs come from. */
interface From {
  /** the reference they are fetched by */
  readonly name: string
  readonly found: Found
  /** what is not here is not fetched */
  readonly only: boolean
  readonly company: Pick<Company, 'any'>
}

/** One blob, shared with every other pull that wants it. Both promises fail when it does; neither needs to be awaited. */
function blob(
  all: Bringing,
  { name, descriptor, found, only, company }: From & { descriptor: Descriptor },
  { board, lease, signal }: BringOptions,
): LayerOptions['blob'] {
  const { asks, tokens } = all
  const known = found.get(descriptor.digest)
  if (only) demandHere({ name, found, digests: [descriptor.digest] })
  if (only || known === 'recorded') {
    board.mark(descriptor, { status: 'exists', offset: descriptor.size })
    return { begun: Promise.resolve(), verified: Promise.resolve() }
  }
  const begun = Promise.withResolvers<void>()
  const request = { name, descriptor, lease: lease.id, tokens, here: known === 'here' }
  const bringing = (options: { signal: AbortSignal; report: (progress: BlobProgress) => void }) =>
    asks.persist(() => bringBlob(asks, { ...request, company: company.any }, options), options)
  const work = (signal: AbortSignal, report: (progress: BlobProgress) => void) =>
    all.downloads(() => bringing({ signal, report }), { signal })
  const onProgress = (progress: BlobProgress) => {
    begun.resolve()
    board.mark(descriptor, progress)
  }
  const verified = ownOrHeld(asks, { lease, thing: { kind: 'content', key: descriptor.digest }, signal }, (own) =>
    all.blobs.run(descriptor.digest, own(work), { signal, onProgress }),
  )
  verified.then(begun.resolve, begun.reject)
  begun.promise.catch(() => {})
  return { begun: begun.promise, verified }
}

async function bringLayers(
  all: Bringing,
  { tree, driver, ...from }: From & { tree: Tree; driver: Driver | undefined },
  { board, lease, signal }: BringOptions,
): Promise<void> {
  const { asks } = all
  const chain = chainIds(tree.layers.map((layer) => layer.diffId))
  const committed = tree.layers.map(() => Promise.withResolvers<void>())
  for (const { promise } of committed) promise.catch(() => {})

  const { found, name, only } = from
  const digests = tree.layers.map(({ descriptor }) => descriptor.digest)
  const names = driver ? chain.map((chainId) => `${driver.name}/${chainId}`) : []
  const others = names.map((key) => ({ kind: 'snapshot' as const, key }))
  const absent = await lookFor(asks, { found, digests, others, lease }, { signal })
  if (only) demandHere({ name, found, digests })

  const said: Said[] = []
  const onVerified = ({ descriptor, diffId }: Layer) => void said.push({ digest: descriptor.digest, labels: unpackedLabels(diffId) })
  await using _ = { [Symbol.asyncDispose]: () => say(asks, said, { signal: AbortSignal.timeout(sayingMs) }).catch(() => {}) }

  await allOrNone(tree.layers, signal, async ({ descriptor, diffId }, joined, i) => {
    const options = { board, lease, signal: joined }
    const fetched = blob(all, { ...from, descriptor }, options)
    fetched.verified.catch(() => {})
    try {
      if (driver && absent.has(names[i] ?? '')) {
        const layer: Layer = { descriptor, diffId, chainId: chain[i] ?? diffId, parent: chain[i - 1] }
        await snapshot(all, layer, {
          driver,
          blob: fetched,
          parentCommitted: committed[i - 1]?.promise ?? Promise.resolve(),
          onVerified,
          ...options,
        })
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
  const chainId = chain.at(-1)
  if (!driver || !chainId) return
  said.push({ digest: tree.config.digest, labels: unpackedImageLabels({ driver: driver.name, chainId }) })
  await asks.persist(() => say(asks, said, { signal }), { signal })
}

/** What is to be said of a blob. */
interface Said {
  readonly digest: Digest
  readonly labels: Labels
}

/** Say it, all at once, and only once. */
async function say(asks: Asks, said: Said[], options: { signal: AbortSignal }): Promise<void> {
  while (said.length > 0) {
    const some = said.slice(0, 1000)
    await asks.content.relabel({ blobs: some }, options)
    said.splice(0, some.length)
  }
}

/** A pull that failed says what it found out, if that takes no time. */
const sayingMs = 2_000

/** One layer's snapshot, shared with every other pull that wants it. */
async function snapshot(
  all: Bringing,
  layer: Layer,
  { driver, board, lease, ...options }: BringOptions & Pick<LayerOptions, 'blob' | 'parentCommitted' | 'onVerified'> & { driver: Driver },
): Promise<void> {
  const { asks } = all
  const { signal } = options
  const made = { ...options, driver: driver.name, rebase: driver.rebase, lease: lease.id, room: all.applies }
  const work = (signal: AbortSignal, report: LayerOptions['report']) =>
    asks.persist(() => makeLayer(asks, layer, { ...made, report, signal }), { signal })
  const onProgress = (progress: Parameters<LayerOptions['report']>[0]) => {
    const here = board.find(layer.descriptor)
    board.mark(layer.descriptor, { ...progress, ...(here && here.offset >= layer.descriptor.size && { status: 'unpacking' as const }) })
  }
  const key = `${driver.name}/${layer.chainId}`
  await ownOrHeld(asks, { lease, thing: { kind: 'snapshot', key }, signal }, async (own) => {
    while (true) {
      try {
        return await all.layers.run(key, own(work), { signal, onProgress })
      } catch (error) {
        // The pull that began this layer was given up, and its blob and parent with it; this one goes on with its own.
        if (!isFailure(Failure.from(error), 'cancelled') || signal.aborted) throw error
      }
    }
  })
}

/**
 * Work shared by pulls is done under the lease of the one that began it, which is known by `own` work being called. The others have what came of it held by theirs; and when it
 * is gone again by then, it is done once more.
 */
async function ownOrHeld(
  asks: Asks,
  { lease, thing, signal }: { lease: PullLease; thing: Thing; signal: AbortSignal },
  run: (own: <P>(work: Work<void, P>) => Work<void, P>) => Promise<void>,
): Promise<void> {
  let isOwn = false
  do {
    await run((work) => (signal, report) => {
      isOwn = true
      return work(signal, report)
    })
  } while (!isOwn && !(await holds(asks, lease, [thing], { signal })))
}

/** What was here before, and needed nothing done, stays told as such. */
function finish(board: Board, descriptor: Descriptor): void {
  if (board.find(descriptor)?.status !== 'exists') board.mark(descriptor, { status: 'done' })
}

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
    const { bytes, size } = await asks.content.read({ digest: descriptor.digest, offset }, options)
    if (size !== whole.length)
      throw new Failure('data_loss', `read ${descriptor.mediaType} ${descriptor.digest}: it has ${size} bytes, not ${whole.length}`)
    whole.set(bytes, offset)
    offset += bytes.length
  }
  return whole
}
