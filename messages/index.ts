/**
 * What may be said, actor by actor. One word an idea, always the one OCI, containerd, NATS or XState uses:
 * reference, descriptor, digest, diffId, chainId, platform, blob, content, ingest, layer, manifest, index, config, snapshot,
 * key (of an active snapshot), name (of a committed one), parent, mount, image, container, task, lease, node.
 */
import { container } from './container.ts'
import { content } from './content.ts'
import { exec } from './exec.ts'
import { fetch } from './fetch.ts'
import { gc } from './gc.ts'
import { image } from './image.ts'
import { ingest } from './ingest.ts'
import { lease } from './lease.ts'
import { node } from './node.ts'
import { pull } from './pull.ts'
import { scrub } from './scrub.ts'
import { snapshot } from './snapshot.ts'
import { swarm } from './swarm.ts'
import { tag } from './tag.ts'
import { unpack } from './unpack.ts'

/** Every protocol, by the name of its actor. */
export const protocols = {
  fetch,
  ingest,
  content,
  unpack,
  snapshot,
  image,
  pull,
  container,
  exec,
  lease,
  gc,
  scrub,
  node,
  swarm,
  tag,
} as const
export type Protocols = typeof protocols
export type ActorName = keyof Protocols
