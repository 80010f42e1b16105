/** Compressed streams as bytes, by the quickest library there is. */
import type { Decoder } from './decoder.ts'
import { findIsal } from './isal.ts'
import { eachMember } from './members.ts'
import { openZlib } from './zlib.ts'

export { Damaged, type Decoded, type Decoder } from './decoder.ts'
export { openZstd } from './zstd.ts'

/** What decodes gzip here, the quickest first. */
export const gzipDecoders = (): { name: string; open: () => Decoder }[] => {
  const isal = findIsal()
  return [...(isal ? [{ name: 'isal', open: () => eachMember(isal(), openZlib) }] : []), { name: 'zlib', open: openZlib }]
}

let quickest: (() => Decoder) | undefined

/** A decoder of gzip: one member; told to go on after it, the next. */
export const openGzip = (): Decoder => (quickest ??= gzipDecoders()[0]?.open ?? openZlib)()
