import { Failure } from '../../messages/grammar/index.ts'
import { roleOf } from '../../messages/words/index.ts'

/**
 * Check that a manifest or index is what its media type says, before anybody looks into it: the same bytes must not be a manifest to one
 * reader and an index to another. Other media types pass. Fails with data_loss; with unimplemented for schema 1.
 */
export function checkDocument(mediaType: string, bytes: Uint8Array, attempted: string): void {
  const role = roleOf(mediaType)
  if (role !== 'manifest' && role !== 'index') return
  const document = parse(bytes, attempted)
  if ('fsLayers' in document) throw new Failure('unimplemented', `${attempted}: it is an image of schema 1`)
  const inner = document['mediaType']
  const foreign = role === 'manifest' ? ['manifests'] : ['config', 'layers']
  const field = foreign.find((name) => name in document)
  if (field !== undefined) throw new Failure('data_loss', `${attempted}: it is declared as ${role} but has ${field}`)
  if (inner !== undefined && (typeof inner !== 'string' || roleOf(inner) !== role))
    throw new Failure(
      'data_loss',
      `${attempted}: it is declared as ${role} but says of itself that it is ${JSON.stringify(inner)?.slice(0, 200)}`,
    )
}

function parse(bytes: Uint8Array, attempted: string): Record<string, unknown> {
  try {
    const value: unknown = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes))
    if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value as Record<string, unknown>
  } catch (error) {
    throw new Failure('data_loss', `${attempted}: it is not JSON`, { cause: error })
  }
  throw new Failure('data_loss', `${attempted}: it is not a JSON object`)
}
