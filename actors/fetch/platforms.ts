import { Failure } from '../../messages/grammar/index.ts'
import { Descriptor, formatPlatform, type Platform, platformDistance } from '../../messages/words/index.ts'

/** The manifest of a verified index that suits a platform best; of equals the first. Fails with not_found when none does. */
export function chosenOf(index: { readonly bytes: Uint8Array }, platform: Platform, attempted: string): Descriptor {
  const { manifests } = JSON.parse(Buffer.from(index.bytes).toString()) as { manifests?: unknown }
  const offered = (Array.isArray(manifests) ? manifests : []).flatMap((one) => Descriptor.safeParse(one).data ?? [])
  const suited = offered.flatMap((one) => {
    const distance = one.platform && platformDistance(platform, one.platform)
    return distance === undefined ? [] : [{ one, distance }]
  })
  const best = suited.toSorted((a, b) => a.distance - b.distance)[0]
  if (best) return best.one
  const names = offered.flatMap((one) => (one.platform ? [formatPlatform(one.platform)] : []))
  throw new Failure(
    'not_found',
    `${attempted}: nothing for ${formatPlatform(platform)}, only ${names.join(', ') || 'manifests without a platform'}`,
  )
}
