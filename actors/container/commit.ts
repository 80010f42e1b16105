import type { z } from 'zod'
import type { Container, container } from '../../messages/container.ts'
import type { content } from '../../messages/content.ts'
import { type Client, Failure, isFailure, type Log } from '../../messages/grammar/index.ts'
import type { image } from '../../messages/image.ts'
import type { ingest } from '../../messages/ingest.ts'
import type { lease } from '../../messages/lease.ts'
import type { Compared, unpack } from '../../messages/unpack.ts'
import { type Descriptor, formatReference, type Labels, parseReference, type Thing } from '../../messages/words/index.ts'
import { type Base, type Derived, type Document, derive, parseImageConfig, parseManifest } from './derive.ts'
import { type Asking, readDocument } from './read.ts'

export type CommitRequest = z.output<(typeof container)['commit']['request']>
export type CommitItem = z.output<(typeof container)['commit']['item']>

/** Who is asked. */
export interface CommitAsks {
  readonly content: Pick<Client<typeof content>, 'info' | 'read' | 'label'>
  readonly ingest: Pick<Client<typeof ingest>, 'put'>
  readonly image: Pick<Client<typeof image>, 'put'>
  readonly lease: Pick<Client<typeof lease>, 'create' | 'add' | 'remove'>
  readonly unpack: Pick<Client<typeof unpack>, 'compare'>
}

interface Components {
  readonly asks: CommitAsks
  readonly log: Log
}

/** s: longer than any layer takes; it ends with the work */
const leaseSeconds = 24 * 3600

/**
 * Make an image of a container, which may be running. What the image is made from, and what is made, is held until the image is recorded, so nothing of it is collected meanwhile;
 * a node that dies on the way leaves it to a lease that ends.
 */
export async function* commitContainer(
  { asks, log }: Components,
  { made: { id, key, driver, digest, process }, request }: { made: Container; request: CommitRequest },
  asking: Asking,
): AsyncGenerator<CommitItem> {
  const attempted = `commit container ${id}`
  const name = formatReference(parseReference(request.name))
  await using held = await hold({ asks, log }, attempted, asking)
  const { base, things } = await readBase(asks, { digest, attempted }, asking)
  await held.add(things)
  const { compression, epoch, lease = held.lease } = request
  let layer: Compared | undefined
  for await (const item of asks.unpack.compare({ upper: key, driver, compression, lease, ...(epoch && { epoch }) }, asking)) {
    if ('diffId' in item) layer = item
    else yield item
  }
  if (layer === undefined) throw new Failure('data_loss', `${attempted}: nothing was said of its layer`)
  await held.add([contentOf(layer.descriptor)])
  const derived = derive(base, layer, { ...request, createdBy: process.args.join(' '), now: new Date().toISOString() })
  await record(asks, { name, derived, lease }, asking)
  yield { name, target: derived.manifest.descriptor, layer: derived.layer }
}

interface Held extends AsyncDisposable {
  readonly lease: string
  add(things: Thing[]): Promise<void>
}

async function hold({ asks, log }: Components, attempted: string, asking: Asking): Promise<Held> {
  const { id } = await asks.lease.create({ seconds: leaseSeconds, labels: { 'gantry.commit': attempted } }, asking)
  return {
    lease: id,
    async add(things) {
      await asks.lease.add({ id, things }, asking).catch((error: unknown) => {
        if (isFailure(error, 'not_found')) throw new Failure('failed_precondition', `${attempted}: ${error.message}`, { cause: error })
        throw error
      })
    },
    [Symbol.asyncDispose]: async () => {
      await asks.lease.remove({ id }).catch((error: unknown) => log.warn({ err: error, lease: id }, 'the lease of a commit ends by itself'))
    },
  }
}

/** The image the container was made from, which may have lost its name since. */
async function readBase(
  { content }: CommitAsks,
  { digest, attempted }: { digest: string; attempted: string },
  asking: Asking,
): Promise<{ base: Base; things: Thing[] }> {
  try {
    const { size, labels } = await content.info({ digest }, asking)
    const bytes = await readDocument(content, { digest, size }, { attempted, what: 'manifest' }, asking)
    const manifest = parseManifest(bytes, { attempted, mediaType: labels['gantry.media-type'] })
    const config = await readDocument(content, manifest.config, { attempted, what: 'config' }, asking)
    const things = [{ digest }, manifest.config, ...manifest.layers].map(contentOf)
    return { base: { manifest, config: parseImageConfig(config, manifest, { attempted }) }, things }
  } catch (error) {
    if (!isFailure(error, 'not_found')) throw error
    throw new Failure('failed_precondition', `${attempted}: its image is not whole here any more: ${error.message}`, { cause: error })
  }
}

const contentOf = ({ digest }: Pick<Descriptor, 'digest'>): Thing => ({ kind: 'content', key: digest })

interface RecordInit {
  readonly name: string
  readonly derived: Derived
  readonly lease: string
}

/** The documents into content, what refers to others last, then the name. */
async function record(asks: CommitAsks, { name, derived, lease }: RecordInit, asking: Asking): Promise<void> {
  const { manifest, config, layers, platform } = derived
  await put(asks, config, { lease, labels: {} }, asking)
  await put(asks, manifest, { lease, labels: refsOf([config.descriptor, ...layers]) }, asking)
  const all = new Map([manifest.descriptor, config.descriptor, ...layers].map((descriptor) => [descriptor.digest, descriptor]))
  await asks.image.put(
    {
      name,
      target: manifest.descriptor,
      manifest: manifest.descriptor,
      config: config.descriptor,
      platform,
      parts: [...all.values()].map((descriptor) => ({ descriptor, state: 'present' as const })),
      labels: {},
    },
    asking,
  )
}

/** By which a manifest keeps what it is made of, also when no image has it. */
function refsOf(parts: readonly Descriptor[]): Labels {
  const refs = parts
    .slice(0, mostRefs)
    .map(({ digest }, index) => [`gantry.gc.ref.content.${index === 0 ? 'config' : `l.${index - 1}`}`, digest])
  return Object.fromEntries(refs)
}

/** There are at most 256 labels; no image of so many layers can be mounted anyway. */
const mostRefs = 250

async function put(
  { ingest, content }: CommitAsks,
  { descriptor: { digest, mediaType }, bytes }: Document,
  { lease, labels }: { lease: string; labels: Labels },
  asking: Asking,
): Promise<void> {
  const said = { ...labels, 'gantry.media-type': mediaType }
  await ingest.put({ digest, bytes, labels: said, lease }, asking).catch(async (error: unknown) => {
    if (!isFailure(error, 'already_exists')) throw error
    await content.label({ digest, labels: said }, asking)
  })
}
