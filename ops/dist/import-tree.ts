import type { content } from '../../messages/content.ts'
import { type Client, Failure } from '../../messages/grammar/index.ts'
import type { Part } from '../../messages/image.ts'
import type { Descriptor, Platform } from '../../messages/words/index.ts'
import { isDigest } from '../../messages/words/is-digest.ts'
import { roleOf } from '../../messages/words/role.ts'
import { documentOf } from '../command/image-chain.ts'

/** An image for one platform, all of it here. */
export interface Found {
  readonly manifest: Descriptor
  readonly config: Descriptor
  readonly platform: Platform
}

interface Tree {
  /** every descriptor met; of those that are not here it is said that they were skipped */
  readonly parts: readonly Part[]
  readonly found: readonly Found[]
  /** digests that are wanted and not here */
  readonly missing: readonly string[]
}

interface Components {
  readonly store: Client<typeof content>
  /** Hold those that are here; answers the digests of the others. */
  readonly absent: (descriptors: readonly Descriptor[]) => Promise<ReadonlySet<string>>
}

/** An index in an index in an index: more there are not. */
const deepest = 4
/** Most descriptors of a tree: all of them are recorded with its name. */
const most = 1_000

/** Walk from a target down over what is here of it. Documents are read verified, and refused when they are not what their type says. */
export async function findTree(
  { store, absent }: Components,
  { target, attempted }: { target: Descriptor; attempted: string },
  { signal }: { signal: AbortSignal },
): Promise<Tree> {
  const parts = new Map<string, Part>()
  const found: Found[] = []

  async function note(descriptors: readonly Descriptor[]): Promise<ReadonlySet<string>> {
    if (parts.size + descriptors.length > most) throw new Failure('invalid_argument', `${attempted}: it is made of more than ${most} blobs`)
    const lacking = descriptors.length === 0 ? new Set<string>() : await absent(descriptors)
    for (const descriptor of descriptors)
      parts.set(descriptor.digest, { descriptor, state: lacking.has(descriptor.digest) ? 'skipped' : 'present' })
    return lacking
  }

  async function walk(descriptors: readonly Descriptor[], depth: number): Promise<void> {
    if (depth > deepest) throw new Failure('invalid_argument', `${attempted}: indexes within indexes, more than ${deepest} deep`)
    const lacking = await note(descriptors)
    for (const descriptor of descriptors) {
      if (lacking.has(descriptor.digest)) continue
      const role = roleOf(descriptor.mediaType)
      if (role === 'index') await walk(listIn(await read(descriptor), 'manifests'), depth + 1)
      if (role === 'manifest') await lookInto(descriptor)
    }
  }

  async function lookInto(manifest: Descriptor): Promise<void> {
    const document = await read(manifest)
    const layers = listIn(document, 'layers')
    const config = descriptorOf(document['config']) ?? refuse(manifest, 'it has no config')
    const lacking = await note([config, ...layers])
    // what else may be in an archive, such as signatures, is kept and not an image
    if (lacking.size > 0 || roleOf(config.mediaType) !== 'config') return
    found.push({ manifest, config, platform: platformIn(config, await documentOf(store, config, { signal }), layers.length) })
  }

  async function read(descriptor: Descriptor): Promise<Record<string, unknown>> {
    const document = await documentOf(store, descriptor, { signal })
    const { mediaType = descriptor.mediaType } = document
    if (mediaType !== descriptor.mediaType) refuse(descriptor, `it says of itself that it is ${JSON.stringify(mediaType)}`)
    const other = roleOf(descriptor.mediaType) === 'index' ? ['config', 'layers', 'fsLayers'] : ['manifests', 'fsLayers']
    if (other.some((key) => key in document)) refuse(descriptor, 'it could be taken for something else as well')
    return document
  }

  await walk([target], 0)
  const missing = [...parts.values()].filter(({ state }) => state === 'skipped').map(({ descriptor }) => descriptor.digest)
  return { parts: [...parts.values()], found, missing }

  function listIn(document: Record<string, unknown>, key: string): Descriptor[] {
    const list = document[key]
    const descriptors = Array.isArray(list) ? list.map(descriptorOf) : []
    if (!Array.isArray(list) || descriptors.includes(undefined))
      throw new Failure('data_loss', `${attempted}: ${key} of a document are no list of descriptors`)
    return descriptors.filter((one) => one !== undefined)
  }
}

function platformIn(config: Descriptor, document: Record<string, unknown>, layers: number): Platform {
  const { os, architecture, variant, rootfs } = document as { [key: string]: unknown; rootfs?: { diff_ids?: unknown } }
  if (typeof os !== 'string' || typeof architecture !== 'string' || os === '' || architecture === '')
    return refuse(config, 'it does not say its platform')
  if (!Array.isArray(rootfs?.diff_ids) || rootfs.diff_ids.length !== layers)
    return refuse(config, `it does not say the diffIds of ${layers} layers`)
  return { os, architecture, ...(typeof variant === 'string' && variant !== '' && { variant }) }
}

/** What counts of it; undefined when it is none. */
function descriptorOf(value: unknown): Descriptor | undefined {
  const { mediaType, digest, size, platform } = (value ?? {}) as Partial<Descriptor>
  if (typeof mediaType !== 'string' || mediaType === '' || typeof digest !== 'string' || !isDigest(digest)) return undefined
  if (typeof size !== 'number' || !Number.isSafeInteger(size) || size < 0) return undefined
  const { os, architecture, variant } = platform ?? {}
  const known = typeof os === 'string' && typeof architecture === 'string' && os !== '' && architecture !== ''
  return {
    mediaType,
    digest,
    size,
    ...(known && { platform: { os, architecture, ...(typeof variant === 'string' && variant !== '' && { variant }) } }),
  }
}

function refuse({ mediaType, digest }: Descriptor, why: string): never {
  throw new Failure('data_loss', `read ${mediaType} ${digest}: ${why}`)
}
