import { Failure } from '../grammar/failure.ts'
import type { Digest } from './digest.ts'
import { isDigest } from './is-digest.ts'

/** A parsed image reference. `tag` and `digest` may both be there; then the digest decides. */
export interface Reference {
  /** host, with port if any: where the registry answers. */
  readonly host: string
  /** path of the repository on that host. */
  readonly repository: string
  readonly tag?: string | undefined
  readonly digest?: Digest | undefined
}

/**
 * Parse `host[:port]/path[:tag][@digest]`, by the distribution grammar: a name without a host is of docker.io, one without
 * a path there is of `library/`, one without tag or digest is `latest`. Fails with invalid_argument.
 */
export function parseReference(text: string): Reference {
  const refuse = (why: string): never => {
    throw new Failure('invalid_argument', `parse reference ${JSON.stringify(text)}: ${why}`)
  }
  if (text.includes('://')) refuse('a reference has no scheme')
  const [named = '', digest, more] = text.split('@')
  if (more !== undefined) refuse('more than one @')
  if (digest !== undefined && !isDigest(digest)) refuse('what follows @ is not a digest')
  const { host, path } = splitHost(named)
  if (!/^([a-zA-Z0-9]([a-zA-Z0-9.-]*[a-zA-Z0-9])?|\[[0-9a-fA-F:]+\])(:[0-9]{1,5})?$/.test(host)) refuse('the host is not one')
  const colon = path.indexOf(':')
  const bare = colon < 0 ? path : path.slice(0, colon)
  const tag = colon < 0 ? undefined : path.slice(colon + 1)
  const repository = host === 'docker.io' && !bare.includes('/') ? `library/${bare}` : bare
  if (!/^[a-z0-9]+((\.|_{1,2}|-+)[a-z0-9]+)*(\/[a-z0-9]+((\.|_{1,2}|-+)[a-z0-9]+)*)*$/.test(repository))
    refuse('the repository has characters that may not be there')
  if (repository.length + host.length > 255) refuse('the name is longer than 255')
  if (tag !== undefined && !/^[A-Za-z0-9_][A-Za-z0-9._-]{0,127}$/.test(tag)) refuse('the tag has characters that may not be there')
  return { host, repository, ...((tag ?? (digest ? undefined : 'latest')) && { tag: tag ?? 'latest' }), ...(digest && { digest }) }
}

/** The full text of a reference; parses to the same one. */
export const formatReference = (reference: Reference): string =>
  `${reference.host}/${reference.repository}${reference.tag ? `:${reference.tag}` : ''}${reference.digest ? `@${reference.digest}` : ''}`

/** Whether a host is this machine by name or loopback address: such a registry is spoken to in plain HTTP (design §10). */
export const isLoopback = (host: string): boolean => /^(localhost|127(\.[0-9]{1,3}){3}|\[::1\])(:[0-9]+)?$/.test(host)

/** The first part is a host when it has a dot or a port, or is localhost; docker.io otherwise. */
function splitHost(named: string): { host: string; path: string } {
  const slash = named.indexOf('/')
  const first = slash < 0 ? '' : named.slice(0, slash)
  const isHost = /[.:]/.test(first) || first === 'localhost'
  return isHost ? { host: first, path: named.slice(slash + 1) } : { host: 'docker.io', path: named }
}
