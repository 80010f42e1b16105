import type { content } from '../../messages/content.ts'
import { type Client, Failure } from '../../messages/grammar/index.ts'
import type { Image, image, Part } from '../../messages/image.ts'
import type { lease } from '../../messages/lease.ts'
import type { node as nodeProtocol } from '../../messages/node.ts'
import type { Descriptor, Platform } from '../../messages/words/index.ts'
import { roleOf } from '../../messages/words/role.ts'
import type { Session } from '../command/session.ts'
import { type Found, findTree } from './import-tree.ts'

interface Importing {
  readonly name: string
  readonly target: Descriptor
  /** holds all blobs it is made of that are here */
  readonly lease: string
  readonly platform?: Platform
}

/** Give a name to an image whose blobs are in content. Fails with failed_precondition when some are not, with not_found when it has nothing for the platform. */
export async function importImage(session: Session, { name, target, lease: id, platform }: Importing): Promise<Image> {
  const { ask, signal } = session
  const leases = ask<typeof lease>('lease')
  const attempted = `import ${name}`
  if (!['index', 'manifest'].includes(roleOf(target.mediaType)))
    throw new Failure('invalid_argument', `${attempted}: ${target.mediaType} is no image`)
  const absent = async (descriptors: readonly Descriptor[]) => {
    const things = descriptors.map(({ digest }) => ({ kind: 'content' as const, key: digest }))
    return new Set((await leases.add({ id, things, some: true })).absent.map(({ key }) => key))
  }
  const tree = await findTree({ store: ask<typeof content>('content'), absent }, { target, attempted }, { signal })
  const chosen = await choose(session, tree.found, { attempted, platform, missing: tree.missing })
  await label(ask<typeof content>('content'), tree.parts)
  const { manifest, config, platform: built } = chosen
  return await ask<typeof image>('image').put({ name, target, manifest, config, platform: built, parts: [...tree.parts], labels: {} })
}

interface Choosing {
  readonly attempted: string
  readonly platform: Platform | undefined
  readonly missing: readonly string[]
}

/** What is meant of several: for the platform that was asked for, else for that of the node; a single one whatever it is for, if none was asked for. */
async function choose(session: Session, found: readonly Found[], { attempted, platform, missing }: Choosing): Promise<Found> {
  const { formatPlatform, platformDistance } = await import('../../messages/words/platform.ts')
  const [first, second] = found
  if (first === undefined) throw new Failure('failed_precondition', `${attempted}: not in the archive, nor here: ${missing.join(', ')}`)
  if (second === undefined && platform === undefined) return first
  const wanted = platform ?? (await session.ask<typeof nodeProtocol>('node').info({})).platform
  const [best] = found
    .map((one) => ({ one, distance: platformDistance(wanted, one.platform) }))
    .filter((one): one is { one: Found; distance: number } => one.distance !== undefined)
    .toSorted((one, other) => one.distance - other.distance)
  if (best) return best.one
  const offered = [...new Set(found.map((one) => formatPlatform(one.platform)))].join(', ')
  throw new Failure('not_found', `${attempted}: it has nothing for ${formatPlatform(wanted)}, only ${offered}`)
}

/** Most blobs of one message. */
const atOnce = 500

/** Say of its blobs what they are, as is said of those that are pulled. */
async function label(store: Pick<Client<typeof content>, 'relabel'>, parts: readonly Part[]): Promise<void> {
  const blobs = parts
    .filter(({ state }) => state === 'present')
    .map(({ descriptor: { digest, mediaType } }) => ({ digest, labels: { 'gantry.media-type': mediaType } }))
  for (let at = 0; at < blobs.length; at += atOnce) await store.relabel({ blobs: blobs.slice(at, at + atOnce) })
}
