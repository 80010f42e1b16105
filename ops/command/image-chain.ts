import type { content } from '../../messages/content.ts'
import { type Client, Failure } from '../../messages/grammar/index.ts'
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
  const read = (descriptor: Descriptor) => documentOf(store, descriptor, { signal })
  const config = platform === undefined ? image.config : await configFor(image, platform, read)
  const { rootfs } = (await read(config)) as { rootfs?: { diff_ids?: unknown } }
  const diffIds = rootfs?.diff_ids
  if (!Array.isArray(diffIds) || !diffIds.every((one) => typeof one === 'string' && isDigest(one)))
    throw new Failure('data_loss', `read config ${config.digest} of image ${image.name}: it does not say its layers`)
  return chainIds(diffIds as string[]).at(-1)
}

/** The config of what the image has for a platform. */
async function configFor(
  image: Image,
  platform: Platform,
  read: (descriptor: Descriptor) => Promise<Record<string, unknown>>,
): Promise<Descriptor> {
  const { formatPlatform, platformDistance } = await import('../../messages/words/platform.ts')
  const lacking = (what: string) => new Failure('not_found', `look for ${formatPlatform(platform)} in image ${image.name}: ${what}`)
  if (roleOf(image.target.mediaType) !== 'index') {
    if (platformDistance(platform, image.platform) === undefined) throw lacking(`it is for ${formatPlatform(image.platform)}`)
    return image.config
  }
  const { manifests } = (await read(image.target)) as { manifests: Descriptor[] }
  const [best] = manifests
    .map((descriptor) => ({ descriptor, distance: descriptor.platform && platformDistance(platform, descriptor.platform) }))
    .filter((one): one is { descriptor: Descriptor; distance: number } => one.distance !== undefined)
    .toSorted((one, other) => one.distance - other.distance)
  if (best === undefined) throw lacking('it has nothing for it')
  return ((await read(best.descriptor)) as { config: Descriptor }).config
}

/** A document of an image, read whole and verified. */
async function documentOf(
  store: Content,
  { digest, size }: Descriptor,
  { signal }: { signal: AbortSignal },
): Promise<Record<string, unknown>> {
  if (size > largest) throw new Failure('invalid_argument', `read ${digest}: ${size} bytes are more than a document may have`)
  const bytes = Buffer.concat(await Array.fromAsync(readBlob(store, { digest, size }, { signal })))
  try {
    return JSON.parse(bytes.toString()) as Record<string, unknown>
  } catch (error) {
    throw new Failure('data_loss', `read ${digest}: it is not JSON`, { cause: error })
  }
}
