import { type Descriptor, parseReference } from '../../messages/words/index.ts'
import { type Document, readDocument } from './document.ts'
import type { Registries } from './registry.ts'
import { resolve } from './resolve.ts'

/** Most bytes of one piece: a message carries it with room to spare. */
const pieceSize = 512 * 1024

/** Fetch a document: what `descriptor` says, or what the reference names now. Yields it in pieces, once it is verified whole. */
export async function* fetchObject(
  registries: Registries,
  request: { reference: string; descriptor?: Descriptor | undefined },
  options: { signal: AbortSignal },
): AsyncIterable<Document> {
  const reference = parseReference(request.reference)
  const descriptor = request.descriptor ?? (await resolve(registries, request, options)).descriptor
  const { bytes } = await readDocument(registries, { reference, descriptor }, options)
  for (let at = 0; at === 0 || at < bytes.byteLength; at += pieceSize) yield { descriptor, bytes: bytes.subarray(at, at + pieceSize) }
}
