import { z } from 'zod'
import { Failure } from '../../messages/grammar/index.ts'
import { Descriptor, Digest, maxDocumentSize, roleOf } from '../../messages/words/index.ts'

const Index = z.object({ manifests: z.array(Descriptor) })
const Manifest = z.object({ config: Descriptor, layers: z.array(Descriptor) })
const Config = z.object({
  os: z.string().min(1),
  architecture: z.string().min(1),
  variant: z.string().optional(),
  rootfs: z.object({ type: z.literal('layers'), diff_ids: z.array(Digest) }),
})

/** What a pull needs of an image's config. */
export type Config = z.output<typeof Config>

/**
 * The children of a document, in order: an index has manifests, a manifest its config and then its layers. Called only with bytes whose digest
 * is verified. A document that is not what its media type says is refused (facts H5): the same bytes must not mean two things.
 */
export function childrenOf(descriptor: Descriptor, bytes: Uint8Array): Descriptor[] {
  const document = parse(descriptor, bytes)
  const inner = document['mediaType']
  if (inner !== undefined && inner !== descriptor.mediaType) refuse(descriptor, `it says of itself that it is ${JSON.stringify(inner)}`)
  if ('fsLayers' in document) refuse(descriptor, 'it is an image of schema 1, which nobody should use any more')
  if (roleOf(descriptor.mediaType) === 'index') {
    if ('config' in document || 'layers' in document) refuse(descriptor, 'an index has no config and no layers')
    return check(descriptor, Index, document).manifests
  }
  if ('manifests' in document) refuse(descriptor, 'a manifest has no manifests')
  const { config, layers } = check(descriptor, Manifest, document)
  return [config, ...layers]
}

/** An image's config, as far as a pull needs it. */
export const readConfig = (descriptor: Descriptor, bytes: Uint8Array): Config => check(descriptor, Config, parse(descriptor, bytes))

/** Refuse a document by its size, before a byte of it is asked for. */
export function mustBeSmall(descriptor: Descriptor): void {
  if (descriptor.size > maxDocumentSize)
    throw new Failure(
      'invalid_argument',
      `read ${descriptor.mediaType} ${descriptor.digest}: ${descriptor.size} bytes are more than the ${maxDocumentSize} a document may have`,
    )
}

function parse(descriptor: Descriptor, bytes: Uint8Array): Record<string, unknown> {
  try {
    const value: unknown = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes))
    if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value as Record<string, unknown>
  } catch (error) {
    throw new Failure('data_loss', `read ${descriptor.mediaType} ${descriptor.digest}: it is not JSON`, { cause: error })
  }
  return refuse(descriptor, 'it is not a JSON object')
}

function check<S extends z.ZodType>(descriptor: Descriptor, schema: S, document: unknown): z.output<S> {
  const result = schema.safeParse(document)
  if (result.success) return result.data
  const issue = result.error.issues[0]
  return refuse(descriptor, `${issue?.path.join('.') || 'it'}: ${issue?.message ?? 'not as the specification has it'}`)
}

function refuse(descriptor: Descriptor, why: string): never {
  throw new Failure('data_loss', `read ${descriptor.mediaType} ${descriptor.digest}: ${why}`)
}
