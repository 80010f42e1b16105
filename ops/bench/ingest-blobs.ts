import { createHash, randomBytes } from 'node:crypto'

/** A blob nobody has yet. */
export interface Blob {
  readonly digest: string
  readonly bytes: Buffer
}

/** Blobs that differ from all made before. They are hashed here: who brings a blob of an image knows its digest. */
export function blobsOf(size: number, count: number): Blob[] {
  const common = randomBytes(size)
  return Array.from({ length: count }, () => {
    const bytes = Buffer.from(common)
    randomBytes(Math.min(16, size)).copy(bytes)
    return { digest: `sha256:${createHash('sha256').update(bytes).digest('hex')}`, bytes }
  })
}
