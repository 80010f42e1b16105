import { Failure, isFailure } from '../../messages/grammar/index.ts'
import {
  acceptedManifests,
  type Descriptor,
  formatReference,
  isDigest,
  maxDocumentSize,
  parseReference,
  type Reference,
  roleOf,
} from '../../messages/words/index.ts'
import { statusOf } from './answers.ts'
import type { Registries } from './registry.ts'
import { headerOf, type Response } from './transport.ts'
import { digestLike, lengthOf, readWhole } from './whole.ts'

/** What a reference names: the reference in full, and the descriptor found under it. */
export interface Resolved {
  readonly name: string
  readonly descriptor: Descriptor
}

/**
 * Ask the registry what a reference names now.
 *
 * A registry is believed about a tag's digest, because there is nothing else to go by; a digest in the reference is never overruled.
 * What HEAD leaves open is settled by reading and hashing the document. Of a tag that stands for several documents, that of `mediaType` is asked for;
 * that of a blob says where a digest is to be looked for.
 */
export async function resolve(
  registries: Registries,
  request: { reference: string; mediaType?: string | undefined },
  { signal }: { signal: AbortSignal },
): Promise<Resolved> {
  const reference = parseReference(request.reference)
  const name = formatReference(reference)
  const { mediaType } = request
  const asking = { registries, reference, attempted: `resolve ${name}`, signal }
  if (mediaType === undefined || isManifest(mediaType))
    return { name, descriptor: await lookUp({ ...asking, accept: mediaType ?? accept }) }
  if (reference.digest === undefined)
    throw new Failure(
      'invalid_argument',
      `resolve ${name}: ${mediaType} is neither a manifest nor an index, and anything else is found by its digest`,
    )
  return { name, descriptor: await blob({ ...asking, accept: mediaType }, reference.digest) }
}

interface Asking {
  readonly registries: Registries
  /** media types */
  readonly accept: string
  readonly reference: Reference
  readonly attempted: string
  readonly signal: AbortSignal
}

async function lookUp(asking: Asking): Promise<Descriptor> {
  const { registries, reference, accept } = asking
  const path = `manifests/${reference.digest ?? reference.tag}`
  try {
    return (
      (await registries.ask({ ...asking, method: 'HEAD', path, headers: { accept } }, async (response) => fromHeaders(asking, response))) ??
      (await read(asking, path))
    )
  } catch (error) {
    // No HEAD here (405), or no reason given with it (403): GET says more.
    if (statusOf(error) === 405 || statusOf(error) === 403) return read(asking, path)
    // A digest may be a blob's. Only a plain "no such manifest" says so: after any other failure it may still be one.
    if (isFailure(error, 'not_found') && reference.digest) return blob(asking, reference.digest, error)
    throw error
  }
}

const accept = [...acceptedManifests, '*/*'].join(', ')

/** The descriptor, as far as headers tell it; undefined when they leave something open. */
function fromHeaders({ reference, attempted }: Asking, response: Response): Descriptor | undefined {
  const mediaType = manifestType(response, attempted)
  const size = lengthOf(response)
  const said = headerOf(response, 'docker-content-digest')
  const digest = reference.digest ?? (said !== undefined && isDigest(said) ? said : undefined)
  if (size !== undefined && size > maxDocumentSize)
    throw new Failure('out_of_range', `${attempted}: a manifest of ${size} bytes is longer than the ${maxDocumentSize} allowed`)
  return digest === undefined || size === undefined || size === 0 ? undefined : { mediaType, digest, size }
}

/** The descriptor of what is really there. */
function read({ registries, ...asking }: Asking, path: string): Promise<Descriptor> {
  const { reference, accept, attempted, signal } = asking
  return registries.ask({ ...asking, method: 'GET', path, headers: { accept } }, async (response) => {
    const mediaType = manifestType(response, attempted)
    const bytes = await readWhole(response, { limit: maxDocumentSize, attempted, signal })
    const said = headerOf(response, 'docker-content-digest')
    const expected = reference.digest ?? (said !== undefined && isDigest(said) ? said : undefined)
    const digest = digestLike(expected, bytes)
    if (expected !== undefined && expected !== digest)
      throw new Failure('data_loss', `${attempted}: the registry sent ${digest} as ${expected}`)
    return { mediaType, digest, size: bytes.byteLength }
  })
}

/** A digest that is no manifest's. */
function blob({ registries, accept, ...asking }: Asking, digest: string, noManifest?: Failure): Promise<Descriptor> {
  return registries.ask({ ...asking, method: 'HEAD', path: `blobs/${digest}` }, async (response) => {
    const size = lengthOf(response)
    if (size === undefined)
      throw noManifest ?? new Failure('unimplemented', `${asking.attempted}: the registry does not say how long it is`)
    return { mediaType: noManifest ? 'application/octet-stream' : accept, digest, size }
  })
}

const isManifest = (mediaType: string): boolean => ['manifest', 'index'].includes(roleOf(mediaType))

/** The media type of a manifest or index, parameters taken off. Anything else is not an image: a login page, schema 1. */
function manifestType(response: Response, attempted: string): string {
  const mediaType = (headerOf(response, 'content-type') ?? '').split(';', 1)[0]?.trim().toLowerCase() ?? ''
  if (isManifest(mediaType)) return mediaType
  throw new Failure(
    'unimplemented',
    `${attempted}: the registry answers with ${JSON.stringify(mediaType)}, which is neither a manifest nor an index`,
  )
}
