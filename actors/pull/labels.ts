import { type Descriptor, type Digest, type Labels, parseReference } from '../../messages/words/index.ts'
import type { Asks } from './asks.ts'

/** A label and its value together, at most. */
const limit = 4096
const source = 'gantry.source.'

/** What is said of a blob for having been brought: from which repository, and as what (facts C13). */
export function broughtLabels({ name, descriptor }: { name: string; descriptor: Descriptor }): Labels {
  const { host, repository } = parseReference(name)
  return { [`${source}${host}`]: repository, 'gantry.media-type': descriptor.mediaType }
}

/** What is said of a layer's blob once it came out as what it should be (facts C12). */
export const unpackedLabels = (diffId: Digest): Labels => ({ 'gantry.uncompressed': diffId })

/** What is said of an image's config: the snapshot of the whole image is kept as long as it is. */
export const unpackedImageLabels = ({ driver, chainId }: { driver: string; chainId: Digest }): Labels => ({
  [`gantry.gc.ref.snapshot.${driver}`]: `${driver}/${chainId}`,
})

/** What is said of a layer's snapshot, so that it can be made again, and compared: of which blob it is, and the directories that blob uses without having them itself. */
export function layerLabels({ mediaType, digest, size }: Descriptor, implied: readonly string[]): Labels {
  const list = JSON.stringify(implied)
  return {
    'gantry.layer': JSON.stringify({ mediaType, digest, size }),
    ...(fits('gantry.implied', list) && { 'gantry.implied': list }),
  }
}

/** Say of a blob that was here already what it lacks; nothing is written when it lacks nothing. */
export async function addLabels(asks: Asks, digest: Digest, wanted: Labels, options: { signal: AbortSignal }): Promise<void> {
  const { labels } = await asks.content.info({ digest }, options)
  const lacking = lackingLabels(labels, wanted)
  if (Object.keys(lacking).length > 0) await asks.content.label({ digest, labels: lacking }, options)
}

/** Those of `wanted` that `labels` do not say: repositories join those known, anything else that is known stands. What would be too long is left out. */
export function lackingLabels(labels: Labels, wanted: Labels): Labels {
  const changed = Object.entries(wanted).map(([key, value]) => [key, joined(key, labels[key], value)] as const)
  return Object.fromEntries(changed.filter(([key, value]) => value !== labels[key] && fits(key, value)))
}

function joined(key: string, known: string | undefined, value: string): string {
  if (known === undefined) return value
  return key.startsWith(source) ? [...new Set([...known.split(','), value])].toSorted().join(',') : known
}

const fits = (key: string, value: string): boolean => key.length + value.length <= limit
