import { Failure, isFailure } from '../../messages/grammar/index.ts'
import type { Image } from '../../messages/image.ts'
import type { Descriptor, Digest, Thing } from '../../messages/words/index.ts'
import type { Asks } from './asks.ts'
import { holds, type PullLease } from './lease.ts'
import type { Tree } from './tree.ts'

interface Options {
  readonly signal: AbortSignal
}

/**
 * The blobs a name is recorded with, when it is recorded with this target: they are here, with all that is to be said of them, and held by the lease, all at once. None when
 * any of them is gone: then each is looked for by itself.
 */
export async function recorded(
  asks: Asks,
  { name, target, lease }: { name: string; target: Descriptor; lease: PullLease },
  options: Options,
): Promise<Set<Digest>> {
  const image = await imageOf(asks, name, options)
  if (image?.target.digest !== target.digest) return new Set()
  const present = image.parts.filter(({ state }) => state === 'present').map(({ descriptor }) => descriptor.digest)
  const digests = new Set([image.target.digest, image.manifest.digest, image.config.digest, ...present])
  return (await holdsAll(asks, lease, [...digests].map(blobThing), options)) ? digests : new Set()
}

/** Fails with failed_precondition, naming all that is not here, unless a whole tree is; held by the lease then. */
export async function demandHere(
  asks: Asks,
  { name, tree, here, lease }: { name: string; tree: Tree; here: Set<Digest>; lease: PullLease },
  options: Options,
): Promise<void> {
  const lacking = tree.layers.map(({ descriptor }) => descriptor).filter(({ digest }) => !here.has(digest))
  await demandBlobs(asks, { name, descriptors: lacking, lease }, options)
  for (const { digest } of lacking) here.add(digest)
}

/** Fails with failed_precondition, naming those that are not here, unless all are; held by the lease then. */
export async function demandBlobs(
  asks: Asks,
  { name, descriptors, lease }: { name: string; descriptors: readonly Descriptor[]; lease: PullLease },
  options: Options,
): Promise<void> {
  const digests = [...new Set(descriptors.map(({ digest }) => digest))]
  if (await holdsAll(asks, lease, digests.map(blobThing), options)) return
  const there = await Promise.all(digests.map((digest) => holds(asks, lease, [blobThing(digest)], options)))
  const missing = digests.filter((_, at) => !there[at])
  if (missing.length === 0) return
  throw new Failure('failed_precondition', `unpack ${name}: not here: ${missing.join(', ')}`, { details: { missing } })
}

/** What a name names here; undefined when it names nothing. */
async function imageOf(asks: Asks, name: string, options: Options): Promise<Image | undefined> {
  return await asks.persist(async () => {
    try {
      return await asks.image.get({ name }, options)
    } catch (error) {
      if (isFailure(error, 'not_found')) return undefined
      throw error
    }
  }, options)
}

/** As many as one message may name. */
const together = 1000

async function holdsAll(asks: Asks, lease: PullLease, things: readonly Thing[], options: Options): Promise<boolean> {
  for (let at = 0; at < things.length; at += together)
    if (!(await holds(asks, lease, things.slice(at, at + together), options))) return false
  return true
}

const blobThing = (digest: Digest): Thing => ({ kind: 'content', key: digest })

/** Have the name keep all of a tree that is unpacked, whatever of it was recorded before; what the name stands for stays. Passed over when it names something else by now. */
export async function keepUnpacked(
  asks: Asks,
  { name, target, parts }: { name: string; target: Descriptor; parts: Image['parts'] },
  options: Options & { timeoutMs: number },
): Promise<void> {
  const image = await imageOf(asks, name, options)
  if (image?.target.digest !== target.digest) return
  const present = new Map(parts.filter(({ state }) => state === 'present').map((part) => [part.descriptor.digest, part]))
  const all = new Map(image.parts.map((part) => [part.descriptor.digest, part]))
  const lacking = [...present].filter(([digest]) => all.get(digest)?.state !== 'present')
  if (lacking.length === 0) return
  for (const [digest, part] of lacking) all.set(digest, part)
  const { size: _, createdAt: __, updatedAt: ___, ...record } = image
  await asks.image.put({ ...record, parts: [...all.values()] }, options)
}
