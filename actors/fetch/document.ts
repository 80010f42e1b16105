import { Failure } from '../../messages/grammar/index.ts'
import { type Descriptor, formatReference, maxDocumentSize, type Reference } from '../../messages/words/index.ts'
import { placeOf } from './addresses.ts'
import { checkDocument } from './declared.ts'
import type { Registries } from './registry.ts'
import { digestLike, readWhole } from './whole.ts'

/** A document, verified. */
export interface Document {
  readonly descriptor: Descriptor
  readonly bytes: Uint8Array
}

/**
 * Read a document whole. It is what its descriptor says: size, digest and kind. Fails with out_of_range when it is longer than
 * a document may be, without asking for it; with data_loss when it is something else.
 */
export async function readDocument(
  registries: Registries,
  { reference, descriptor }: { reference: Reference; descriptor: Descriptor },
  { signal }: { signal: AbortSignal },
): Promise<Document> {
  const { mediaType, digest, size } = descriptor
  const attempted = `fetch ${mediaType} ${digest} of ${formatReference(reference)}`
  if (size > maxDocumentSize)
    throw new Failure('out_of_range', `${attempted}: its ${size} bytes are more than the ${maxDocumentSize} a document may have`)
  const { path, accept } = placeOf(descriptor)
  const question = { method: 'GET', reference, path, headers: { ...(accept && { accept }) }, attempted, signal } as const
  const bytes = await registries.ask(question, (response) => readWhole(response, { limit: maxDocumentSize, attempted, signal }))
  if (bytes.byteLength !== size)
    throw new Failure('data_loss', `${attempted}: the registry sent ${bytes.byteLength} bytes instead of ${size}`)
  const found = digestLike(digest, bytes)
  if (found !== digest) throw new Failure('data_loss', `${attempted}: the registry sent ${found}`)
  checkDocument(mediaType, bytes, attempted)
  return { descriptor, bytes }
}
