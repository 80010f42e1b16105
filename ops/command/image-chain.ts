import type { content } from '../../messages/content.ts'
import { type Client, Failure, isFailure } from '../../messages/grammar/index.ts'
import type { Image } from '../../messages/image.ts'
import { chainIds } from '../../messages/words/chain.ts'
import type { Descriptor, Platform } from '../../messages/words/index.ts'
import { isDigest } from '../../messages/words/is-digest.ts'
import { roleOf } from '../../messages/words/role.ts'
import { readBlob } from './read-blob.ts'

type Content = Client<typeof content>

/** Most of a document that is read; no image has larger ones. */
const largest = 4 * 1024 * 1024

/**
 * The name of the snapshot with everything an image shows, or would have if it were unpacked; undefined when it has no layers. For another platform than the image was brought for,
 * that one's documents must be here: else it fails with not_found.
 */
export async function chainOf(
  store: Content,
  image: Image,
  { platform, signal }: { platform?: Platform | undefined; signal: AbortSignal },
): Promise<string | undefined> {
  const read: Read = (descriptor) => documentOf(store, descriptor, { signal })
  const config = platform === undefined ? image.config : await configFor(image, platform, read)
  const { rootfs } = (await read(config)) as { rootfs?: { diff_ids?: unknown } }
  const diffIds = rootfs?.diff_ids
  if (!Array.isArray(diffIds) || !diffIds.every((one) => typeof one === 'string' && isDigest(one)))
    throw new Failure('data_loss', `read config ${config.digest} of image ${image.name}: it does not say its layers`)
  return chainIds(diffIds as string[]).at(-1)
}

type Read = (descriptor: Descriptor) => Promise<Record<string, unknown>>

/** The config of what the image has for a platform. */
async function configFor(image: Image, platform: Platform, read: Read): Promise<Descriptor> {
  const { formatPlatform, platformDistance } = await import('../../messages/words/platform.ts')
  const wanted = formatPlatform(platform)
  const lacking = (what: string, cause?: unknown) =>
    new Failure('not_found', `look for ${wanted} in image ${image.name}: ${what}`, { cause })
  if (roleOf(image.target.mediaType) !== 'index') {
    if (platformDistance(platform, image.platform) === undefined) throw lacking(`it is for ${formatPlatform(image.platform)}`)
    return image.config
  }
  const [best] = descriptorsIn((await read(image.target))['manifests'])
    .map((descriptor) => ({ descriptor, distance: descriptor.platform && platformDistance(platform, descriptor.platform) }))
    .filter((one): one is { descriptor: Descriptor; distance: number } => one.distance !== undefined)
    .toSorted((one, other) => one.distance - other.distance)
  if (best === undefined) throw lacking('it has nothing for it')
  const manifest = await read(best.descriptor).catch((error: unknown) => {
    throw isFailure(error, 'not_found')
      ? lacking(`it was not brought for it; say dist pull --platform ${wanted} ${image.name}`, error)
      : error
  })
  const [config] = descriptorsIn([manifest['config']])
  if (config === undefined)
    throw new Failure('data_loss', `read manifest ${best.descriptor.digest} of image ${image.name}: it has no config`)
  return config
}

/** A document of an image, read whole and verified. */
export async function documentOf(
  store: Content,
  { digest, size }: Descriptor,
  { signal }: { signal: AbortSignal },
): Promise<Record<string, unknown>> {
  if (size > largest) throw new Failure('invalid_argument', `read ${digest}: ${size} bytes are more than a document may have`)
  const bytes = Buffer.concat(await Array.fromAsync(readBlob(store, { digest, size }, { signal })))
  try {
    const document: unknown = JSON.parse(bytes.toString())
    if (typeof document === 'object' && document !== null) return document as Record<string, unknown>
  } catch {}
  throw new Failure('data_loss', `read ${digest}: it is not a JSON object`)
}

/** What of it can be looked up. */
const descriptorsIn = (value: unknown): Descriptor[] =>
  (Array.isArray(value) ? value : []).filter(
    (one): one is Descriptor => typeof one?.digest === 'string' && isDigest(one.digest) && Number.isSafeInteger(one.size) && one.size >= 0,
  )
