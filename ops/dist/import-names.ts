import { Failure } from '../../messages/grammar/index.ts'
import type { Descriptor } from '../../messages/words/index.ts'
import { isDigest } from '../../messages/words/is-digest.ts'
import { fullName } from '../command/full-name.ts'

/** An image of a layout and the name it is to have. */
export interface Named {
  readonly name: string
  readonly target: Descriptor
}

/** Most images of one layout. */
const most = 256

/**
 * The images an index names. A name is the one given, else what the archive says: containerd's annotation, else that of the specification. A tag alone is no name, and is put to one that is given
 * without. Fails with invalid_argument.
 */
export function namedIn(
  index: Readonly<Record<string, unknown>>,
  { attempted, name: given }: { attempted: string; name?: string | undefined },
): Named[] {
  const refuse = (why: string): never => {
    throw new Failure('invalid_argument', `${attempted}: ${why}`)
  }
  const entries: unknown = index['manifests']
  if (!Array.isArray(entries) || entries.length === 0) return refuse('its index names no image')
  if (entries.length > most) return refuse(`its index names ${entries.length} images, more than ${most}`)
  const named = new Map<string, Descriptor>()
  for (const entry of entries) {
    const target = targetOf(entry) ?? refuse('its index has what is no descriptor')
    const text = nameOf(entry?.annotations ?? {}, given) ?? refuse(`it does not say a name of ${target.digest}; give one by --name`)
    const name = fullName(text)
    if (name.includes('@') && !name.endsWith(`@${target.digest}`)) refuse(`${name} is not ${target.digest}`)
    if ((named.get(name)?.digest ?? target.digest) !== target.digest) refuse(`two images would be ${name}`)
    named.set(name, target)
  }
  return [...named].map(([name, target]) => ({ name, target }))
}

function targetOf(entry: unknown): Descriptor | undefined {
  const { mediaType, digest, size } = (entry ?? {}) as Partial<Descriptor>
  if (typeof mediaType !== 'string' || typeof digest !== 'string' || !isDigest(digest)) return undefined
  return Number.isSafeInteger(size) && typeof size === 'number' && size >= 0 ? { mediaType, digest, size } : undefined
}

function nameOf(annotations: Readonly<Record<string, unknown>>, given: string | undefined): string | undefined {
  const full = annotations['io.containerd.image.name']
  const ref = annotations['org.opencontainers.image.ref.name']
  const own = [full, ref].find((one): one is string => typeof one === 'string' && /[/:]/.test(one))
  const tag = [ref, own?.slice(tagAt(own) + 1)].find((one): one is string => typeof one === 'string' && /^[\w][\w.-]*$/.test(one))
  if (given === undefined) return own
  return tagAt(given) < 0 && !given.includes('@') && tag !== undefined ? `${given}:${tag}` : given
}

/** Where in a reference the colon before its tag is; -1 without. */
function tagAt(reference: string): number {
  const colon = reference.lastIndexOf(':')
  return colon > reference.lastIndexOf('/') ? colon : -1
}
