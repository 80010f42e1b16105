/**
 * A number of a tar header: octal digits, padded with spaces or NULs, or binary when the first bit is set (the GNU way for what octal cannot hold).
 * NaN when it is neither, or too large to be exact.
 */
export function headerNumber(block: Uint8Array, from: number, length: number): number {
  const first = block[from] ?? 0
  return (first & 0x80) === 0 ? octal(block, from, from + length) : binary(block, from, from + length, first)
}

function octal(block: Uint8Array, from: number, end: number): number {
  let at = from
  while (at < end && (block[at] === 0x20 || block[at] === 0)) at++
  let value = 0
  for (; at < end; at++) {
    const digit = (block[at] ?? 0) - 0x30
    if (digit < 0 || digit > 7) break
    value = value * 8 + digit
  }
  // what is behind a NUL was there before
  for (; at < end && block[at] !== 0; at++) if (block[at] !== 0x20) return Number.NaN
  return value
}

function binary(block: Uint8Array, from: number, end: number, first: number): number {
  const negative = (first & 0x40) !== 0
  let value = negative ? (first & 0x7f) - 0x80 : first & 0x3f
  for (let at = from + 1; at < end; at++) value = value * 256 + (block[at] ?? 0)
  return Number.isSafeInteger(value) ? value : Number.NaN
}

/** A whole decimal number as PAX writes it; NaN when it is not one. */
export const decimal = (text: string): number => (/^-?[0-9]{1,16}$/.test(text) ? Number(text) : Number.NaN)
