/** Kept free of the schemas, so that a command that reads references loads none. */
const lengths: Readonly<Record<string, number>> = { sha256: 64, sha384: 96, sha512: 128 }

/** Whether `text` is a digest of a known algorithm, its hex of exactly the right length and in lower case (OCI image spec, descriptor). */
export function isDigest(text: string): boolean {
  const at = text.indexOf(':')
  const length = lengths[text.slice(0, at)]
  return length !== undefined && text.length === at + 1 + length && /^[0-9a-f]+$/.test(text.slice(at + 1))
}
