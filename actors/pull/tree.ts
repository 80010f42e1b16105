import { Failure } from '../../messages/grammar/index.ts'
import type { Part } from '../../messages/image.ts'
import { type Descriptor, formatPlatform, type Platform, platformDistance, roleOf } from '../../messages/words/index.ts'
import { type Config, childrenOf, mustBeSmall, readConfig } from './documents.ts'
import { choosing, type Handler, inOrder, walk } from './walk.ts'

/** An image's documents, read: what is left is its layers. */
export interface Tree {
  readonly manifest: Descriptor
  readonly config: Descriptor
  readonly platform: Platform
  readonly layers: readonly { readonly descriptor: Descriptor; readonly diffId: string }[]
  /** Every descriptor met, and whether it was chosen. */
  readonly parts: readonly Part[]
}

/** Brings a document into content and answers with its verified bytes. */
export type Read = (descriptor: Descriptor, options: { signal: AbortSignal }) => Promise<Uint8Array>

/**
 * Walk from `root` down to one image for `platform`: index to manifest to config. Documents are read on the way; layers are only listed, by their
 * position, because the same one may stand in an image twice (facts U11). Fails with not_found when no manifest fits.
 */
export async function readTree(
  { root, platform }: { root: Descriptor; platform: Platform },
  read: Read,
  options: { signal: AbortSignal },
): Promise<Tree> {
  const parts = new Map<string, Part>()
  const found: { manifest?: Descriptor; config?: { descriptor: Descriptor; content: Config }; layers: Descriptor[] } = { layers: [] }
  const note = (descriptor: Descriptor, state: Part['state']) => void parts.set(descriptor.digest, { descriptor, state })

  const look: Handler = async (descriptor, { signal }) => {
    note(descriptor, 'present')
    const role = roleOf(descriptor.mediaType)
    if (role === 'layer') return { children: [] }
    if (role === 'other')
      throw new Failure('invalid_argument', `pull ${root.digest}: ${descriptor.mediaType} is not part of an image that can be pulled`)
    mustBeSmall(descriptor)
    const bytes = await read(descriptor, { signal })
    if (role === 'config') {
      found.config ??= { descriptor, content: readConfig(descriptor, bytes) }
      return { children: [] }
    }
    const children = childrenOf(descriptor, bytes)
    if (role === 'manifest') {
      found.manifest ??= descriptor
      found.layers = children.slice(1)
    }
    return { children }
  }
  const choose = (parent: Descriptor, children: readonly Descriptor[]) => {
    if (roleOf(parent.mediaType) !== 'index') return children
    const best = fitting(children, platform)[0]
    if (!best)
      throw new Failure('not_found', `pull ${parent.digest}: it has nothing for ${formatPlatform(platform)}, only ${offered(children)}`)
    for (const child of children) if (child !== best) note(child, 'skipped')
    return [best]
  }

  const children: Handler = choosing(look, choose)
  await walk(inOrder(children), [root], options)
  return whole(root, platform, found, [...parts.values()])
}

/** Manifests of an index that run on `platform`, best first, those that do not say last (facts H6, H7). */
function fitting(children: readonly Descriptor[], platform: Platform): Descriptor[] {
  return children
    .filter((child) => ['manifest', 'index'].includes(roleOf(child.mediaType)))
    .map((child, index) => ({
      child,
      index,
      distance: child.platform ? platformDistance(platform, child.platform) : Number.MAX_SAFE_INTEGER,
    }))
    .filter((entry): entry is typeof entry & { distance: number } => entry.distance !== undefined)
    .toSorted((a, b) => a.distance - b.distance || a.index - b.index)
    .map((entry) => entry.child)
}

const offered = (children: readonly Descriptor[]): string =>
  [...new Set(children.map((child) => (child.platform ? formatPlatform(child.platform) : 'manifests without a platform')))].join(', ') ||
  'nothing at all'

function whole(
  root: Descriptor,
  platform: Platform,
  { manifest, config, layers }: { manifest?: Descriptor; config?: { descriptor: Descriptor; content: Config }; layers: Descriptor[] },
  parts: Part[],
): Tree {
  if (!manifest || !config) throw new Failure('data_loss', `pull ${root.digest}: it has no manifest with a config`)
  const { os, architecture, variant, rootfs } = config.content
  const built: Platform = { os, architecture, ...(variant && { variant }) }
  if (platformDistance(platform, built) === undefined)
    throw new Failure('not_found', `pull ${root.digest}: it is for ${formatPlatform(built)}, not for ${formatPlatform(platform)}`)
  if (rootfs.diff_ids.length !== layers.length)
    throw new Failure(
      'data_loss',
      `pull ${root.digest}: the manifest has ${layers.length} layers, the config ${rootfs.diff_ids.length} diffIds`,
    )
  return {
    manifest,
    config: config.descriptor,
    platform: built,
    layers: layers.map((descriptor, i) => ({ descriptor, diffId: rootfs.diff_ids[i] ?? '' })),
    parts,
  }
}
