import { z } from 'zod'
import { isDigest } from './is-digest.ts'

export { isDigest }

/** `<algorithm>:<hex>`. Checked before it is ever part of a path. */
export const Digest = z.string().refine(isDigest, 'not a digest of a known algorithm').meta({
  id: 'Digest',
  description: 'algorithm:hex of content, e.g. sha256 and 64 hex digits',
  pattern: '^(sha256|sha384|sha512):[0-9a-f]+$',
})
export type Digest = string

/** The algorithm and the hex of a valid digest. */
export function digestParts(digest: Digest): { algorithm: string; hex: string } {
  const at = digest.indexOf(':')
  return { algorithm: digest.slice(0, at), hex: digest.slice(at + 1) }
}

/** A digest where a single token is needed: `sha256-<hex>`. */
export const digestToken = (digest: Digest): string => digest.replace(':', '-')
