import { z } from 'zod'

/** What an image is built for (OCI image spec, index, `platform`). */
export const Platform = z
  .object({ os: z.string().min(1), architecture: z.string().min(1), variant: z.string().optional() })
  .meta({ id: 'Platform' })
export type Platform = z.output<typeof Platform>

/** `os/architecture[/variant]`; undefined when it is not that. */
export function parsePlatform(text: string): Platform | undefined {
  const [os, architecture, variant, more] = text.split('/')
  if (!os || !architecture || more !== undefined || variant === '') return undefined
  return { os, architecture, ...(variant && { variant }) }
}

/** The inverse of {@link parsePlatform}. */
export const formatPlatform = (platform: Platform): string =>
  [platform.os, platform.architecture, platform.variant].filter(Boolean).join('/')

/**
 * How well `offered` runs on `wanted`: undefined for not at all, else smaller is better, 0 is exact.
 * amd64 also runs lower levels and 386, arm64 runs arm v8 down to v5, arm/vN runs v5 to vN (facts H11).
 */
export function platformDistance(wanted: Platform, offered: Platform): number | undefined {
  if (wanted.os !== offered.os) return undefined
  const at = runnable(wanted).indexOf(label(offered))
  return at < 0 ? undefined : at
}

function runnable(wanted: Platform): string[] {
  const level = Number(label(wanted).split('/v')[1])
  const down = (name: string, from: number, to: number) => Array.from({ length: from - to + 1 }, (_, i) => `${name}/v${from - i}`)
  if (wanted.architecture === 'amd64') return [...down('amd64', level, 1), '386']
  if (wanted.architecture === 'arm64') return [...down('arm64', level, 8), ...down('arm', 8, 5)]
  if (wanted.architecture === 'arm') return down('arm', level, 5)
  return [label(wanted)]
}

/** Architecture with its default variant made explicit: amd64 is v1, arm64 is v8, arm is v7. */
function label(platform: Platform): string {
  const implied: Readonly<Record<string, string>> = { amd64: 'v1', arm64: 'v8', arm: 'v7' }
  const variant = platform.variant ?? implied[platform.architecture]
  return variant ? `${platform.architecture}/${variant}` : platform.architecture
}
