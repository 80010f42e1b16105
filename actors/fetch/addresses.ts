import { Failure } from '../../messages/grammar/index.ts'
import { type Descriptor, isLoopback, type Reference, roleOf } from '../../messages/words/index.ts'

/** Where a host of references answers, when that is elsewhere. */
const elsewhere: Readonly<Record<string, string>> = { 'docker.io': 'registry-1.docker.io', 'index.docker.io': 'registry-1.docker.io' }

/** Scheme and host of the registry that answers for `host`: plain HTTP on this machine, HTTPS anywhere else. */
export function originOf(host: string): string {
  const answering = elsewhere[host] ?? host
  const url = `${isLoopback(answering) ? 'http' : 'https'}://${answering}`
  if (!URL.canParse(url)) throw new Failure('invalid_argument', `find the registry of ${host}: it is not a host`)
  return new URL(url).origin
}

/** The URL of a manifest (`manifests/latest`) or blob (`blobs/sha256:…`) of a repository. */
export const urlOf = (reference: Reference, path: string): URL => new URL(`/v2/${reference.repository}/${path}`, originOf(reference.host))

/**
 * Where a repository has what a descriptor names: manifests and indexes in a place of their own, and given only to who takes their
 * media type.
 */
export function placeOf({ mediaType, digest }: Descriptor): { path: string; accept?: string } {
  const isManifest = ['manifest', 'index'].includes(roleOf(mediaType))
  return isManifest ? { path: `manifests/${digest}`, accept: mediaType } : { path: `blobs/${digest}` }
}

/** Where a redirect leads. Fails with unimplemented when it leads nowhere, off the web, or from HTTPS to plain HTTP. */
export function redirectOf(from: URL, location: string | undefined, attempted: string): URL {
  const refuse = (why: string): never => {
    throw new Failure('unimplemented', `${attempted}: ${redacted(from)} redirects ${why}`)
  }
  if (!location || !URL.canParse(location, from.href)) return refuse('nowhere')
  const to = new URL(location, from)
  if (to.protocol !== 'http:' && to.protocol !== 'https:') refuse(`to ${to.protocol}, which is not HTTP`)
  if (from.protocol === 'https:' && to.protocol === 'http:') refuse(`to ${redacted(to)}, which is not encrypted`)
  to.username = ''
  to.password = ''
  return to
}

/** A URL that can be shown: queries of signed URLs are secrets, and so is what stands before an @. */
export const redacted = (url: URL): string => `${url.origin}${url.pathname}${url.search && '?…'}`
