import { isFailure } from '../../messages/grammar/index.ts'
import type { Image } from '../../messages/image.ts'
import type { Descriptor } from '../../messages/words/index.ts'
import { limit } from '../../runtime/limit.ts'

/** How large a blob is here; fails with not_found when it is not. */
export type SizeOf = (descriptor: Descriptor, options: { signal: AbortSignal }) => Promise<number>

/** Blobs looked up at once. */
const atOnce = 16

/** Everything a name needs to be here: target, manifest, config, and every part said to be present; each digest once. */
export function closure(image: Pick<Image, 'target' | 'manifest' | 'config' | 'parts'>): Descriptor[] {
  const present = image.parts.filter(({ state }) => state === 'present').map(({ descriptor }) => descriptor)
  const all = [image.target, image.manifest, image.config, ...present]
  return [...new Map(all.map((descriptor) => [descriptor.digest, descriptor])).values()]
}

/** Those of `descriptors` that are not here, or of another size than they say. */
export async function missing(
  sizeOf: SizeOf,
  descriptors: readonly Descriptor[],
  { signal }: { signal: AbortSignal },
): Promise<Descriptor[]> {
  const room = limit(atOnce)
  const here = await Promise.all(descriptors.map((descriptor) => room(() => isHere(sizeOf, descriptor, { signal }), { signal })))
  return descriptors.filter((_, at) => !here[at])
}

async function isHere(sizeOf: SizeOf, descriptor: Descriptor, options: { signal: AbortSignal }): Promise<boolean> {
  try {
    return (await sizeOf(descriptor, options)) === descriptor.size
  } catch (error) {
    if (isFailure(error, 'not_found')) return false
    throw error
  }
}
