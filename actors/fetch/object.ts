import { isFailure } from '../../messages/grammar/index.ts'
import { type Descriptor, maxDocumentSize, parseReference, roleOf } from '../../messages/words/index.ts'
import { type Document, readDocument } from './document.ts'
import type { Registries } from './registry.ts'
import { resolve } from './resolve.ts'
import { streamed } from './streamed.ts'

/** Most bytes of one piece: a message carries it with room to spare. */
const pieceSize = 512 * 1024

/** What is wanted: what `descriptor` says, or what the reference names now, of a media type if that is left open. */
export interface ObjectRequest {
  readonly reference: string
  readonly descriptor?: Descriptor | undefined
  readonly mediaType?: string | undefined
}

/**
 * Fetch an object, in pieces. A document is verified whole before the first of them; a blob longer than a document may be comes as it is read, and what is
 * wrong with it is said in the end.
 */
export async function* fetchObject(
  registries: Registries,
  request: ObjectRequest,
  options: { signal: AbortSignal },
): AsyncIterable<Document> {
  const reference = parseReference(request.reference)
  const descriptor = request.descriptor ?? (await find(registries, request, options))
  const wanted = { reference, descriptor }
  const whole = descriptor.size <= maxDocumentSize || ['manifest', 'index'].includes(roleOf(descriptor.mediaType))
  const pieces = whole ? [(await readDocument(registries, wanted, options)).bytes] : streamed(registries, wanted, options)
  for await (const bytes of pieces)
    for (let at = 0; at === 0 || at < bytes.byteLength; at += pieceSize) yield { descriptor, bytes: bytes.subarray(at, at + pieceSize) }
}

/**
 * A digest of which nothing else is known is a blob's more often than a manifest's; and of a blob that is asked for as a manifest the registry of Docker says that it is
 * broken, not that it is none.
 */
async function find(registries: Registries, request: ObjectRequest, options: { signal: AbortSignal }): Promise<Descriptor> {
  if (parseReference(request.reference).digest !== undefined && request.mediaType === undefined) {
    const asBlob = resolve(registries, { ...request, mediaType: 'application/octet-stream' }, options)
    const found = await asBlob.catch((error: unknown) => {
      if (!isFailure(error, 'not_found')) throw error
    })
    if (found) return found.descriptor
  }
  return (await resolve(registries, request, options)).descriptor
}
