import type { content } from '../../messages/content.ts'
import { type Client, Failure } from '../../messages/grammar/index.ts'
import { type Descriptor, maxDocumentSize } from '../../messages/words/index.ts'

/** How it is asked. */
export interface Asking {
  readonly signal: AbortSignal
  readonly trace: string
}

interface ReadInit {
  /** begins what failures say */
  readonly attempted: string
  /** what it is called there */
  readonly what: 'config' | 'manifest'
}

/** A small blob, whole. Fails with failed_precondition when it says it is large. */
export async function readDocument(
  store: Pick<Client<typeof content>, 'read'>,
  { digest, size }: Pick<Descriptor, 'digest' | 'size'>,
  { attempted, what }: ReadInit,
  asking: Asking,
): Promise<Uint8Array> {
  if (size > maxDocumentSize)
    throw new Failure('failed_precondition', `${attempted}: a ${what} of ${size} bytes is more than ${maxDocumentSize}`)
  const parts: Uint8Array[] = []
  for (let offset = 0; offset < size; ) {
    const { bytes } = await store.read({ digest, offset }, asking)
    if (bytes.length === 0) throw new Failure('data_loss', `${attempted}: ${what} ${digest} ends at ${offset} of ${size} bytes`)
    parts.push(bytes)
    offset += bytes.length
  }
  return Buffer.concat(parts)
}
