import type { content } from '../../messages/content.ts'
import type { Client } from '../../messages/grammar/index.ts'
import type { Holding } from '../../messages/swarm.ts'
import type { Known } from '../../messages/tag.ts'
import { type Descriptor, type Digest, maxDocumentSize, roleOf } from '../../messages/words/index.ts'

export interface HeldComponents {
  readonly node: string
  readonly now: () => number
  /** What a node knows of a blob. */
  readonly info: (
    node: string,
    ...asked: Parameters<Client<typeof content>['info']>
  ) => PromiseLike<{ size: number; labels: Readonly<Record<string, string>> }>
  /** Every other node that has some of a blob, as they answer; nobody is no answer. */
  readonly holders: (digest: Digest, options: { signal: AbortSignal }) => AsyncIterable<Holding>
}

/** ms nodes have to say what they know of it, before the registry is asked */
const patienceMs = 1_000

/**
 * What a digest stands for, from a node that has it, this one first: its registry would say the same. Undefined when none has. That it is a manifest or an index is their word; who brings it
 * finds out.
 */
export async function heldAs(
  components: HeldComponents,
  { name, digest }: { name: string; digest: Digest },
  { signal }: { signal: AbortSignal },
): Promise<Known | undefined> {
  const asking = { signal: AbortSignal.any([signal, AbortSignal.timeout(patienceMs)]) }
  const known = (by: string, descriptor: Descriptor): Known => {
    return { name, descriptor, checkedAt: new Date(components.now()).toISOString(), by, source: 'digest' }
  }
  try {
    const here = await descriptorOf(components, components.node, digest, asking)
    if (here) return known(components.node, here)
    for await (const { node } of components.holders(digest, asking)) {
      const descriptor = await descriptorOf(components, node, digest, asking)
      if (descriptor) return known(node, descriptor)
    }
  } catch {
    // The registry knows.
  }
  signal.throwIfAborted()
  return undefined
}

async function descriptorOf(
  { info }: HeldComponents,
  node: string,
  digest: Digest,
  options: { signal: AbortSignal },
): Promise<Descriptor | undefined> {
  try {
    const { size, labels } = await info(node, { digest }, options)
    const mediaType = labels['gantry.media-type'] ?? ''
    return ['manifest', 'index'].includes(roleOf(mediaType)) && size <= maxDocumentSize ? { mediaType, digest, size } : undefined
  } catch {
    return undefined
  }
}
