import { Failure, isFailure } from '../../messages/grammar/index.ts'
import type { Image } from '../../messages/image.ts'
import type { Descriptor, Digest, Thing } from '../../messages/words/index.ts'
import type { Asks } from './asks.ts'
import { holdsSome, type PullLease } from './lease.ts'

/**
 * What is known of blobs, by digest. `recorded`: it is here, held, and has said of it all that is to be said. `here`: it is here and held. `absent`: it was not here when it
 * was looked for.
 */
export type Found = Map<Digest, 'recorded' | 'here' | 'absent'>

/** A thing to be looked for. */
export const blobThing = (digest: Digest): Thing => ({ kind: 'content', key: digest })

interface Options {
  readonly signal: AbortSignal
}

/** Of the blobs that a name is recorded with, when it is recorded with this target, those that are here; they are held by the lease then. */
export async function recorded(
  asks: Asks,
  { name, target, lease }: { name: string; target: Descriptor; lease: PullLease },
  options: Options,
): Promise<Found> {
  const image = await imageOf(asks, name, options)
  if (image?.target.digest !== target.digest) return new Map()
  const present = image.parts.filter(({ state }) => state === 'present').map(({ descriptor }) => descriptor.digest)
  const digests = new Set([image.target.digest, image.manifest.digest, image.config.digest, ...present])
  const absent = await holdsSome(asks, lease, [...digests].map(blobThing), options)
  for (const { key } of absent) digests.delete(key)
  return new Map([...digests].map((digest) => [digest, 'recorded']))
}

/** Look for blobs of which nothing is known yet, and for other things, all at once; those that are here are held by the lease then. Answers the names of others that are not. */
export async function lookFor(
  asks: Asks,
  { found, digests, others = [], lease }: { found: Found; digests: readonly Digest[]; others?: readonly Thing[]; lease: PullLease },
  options: Options,
): Promise<Set<string>> {
  const unknown = [...new Set(digests)].filter((digest) => !found.has(digest))
  const things = [...unknown.map(blobThing), ...others]
  const absent = new Set((await holdsSome(asks, lease, things, options)).map(({ key }) => key))
  for (const digest of unknown) found.set(digest, absent.has(digest) ? 'absent' : 'here')
  return absent
}

/** Fails with failed_precondition, naming all of these blobs that are not here. */
export function demandHere({ name, found, digests }: { name: string; found: Found; digests: readonly Digest[] }): void {
  const missing = [...new Set(digests)].filter((digest) => found.get(digest) === 'absent')
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

/** Have the name keep all of a tree that is unpacked, whatever of it was recorded before; what the name stands for stays. Passed over when it names something else by now. */
export async function keepUnpacked(
  asks: Asks,
  { name, target, parts }: { name: string; target: Descriptor; parts: Image['parts'] },
  options: Options & { timeoutMs: number },
): Promise<void> {
  const image = await imageOf(asks, name, options)
  if (image?.target.digest !== target.digest) return
  const all = new Map(image.parts.map((part) => [part.descriptor.digest, part]))
  const lacking = parts.filter(({ descriptor, state }) => state === 'present' && all.get(descriptor.digest)?.state !== 'present')
  if (lacking.length === 0) return
  for (const part of lacking) all.set(part.descriptor.digest, part)
  const { size: _, createdAt: __, updatedAt: ___, ...record } = image
  await asks.image.put({ ...record, parts: [...all.values()] }, options)
}
