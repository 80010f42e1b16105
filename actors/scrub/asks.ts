import type { content } from '../../messages/content.ts'
import type { fetch } from '../../messages/fetch.ts'
import type { Client } from '../../messages/grammar/index.ts'
import type { ingest } from '../../messages/ingest.ts'
import type { lease } from '../../messages/lease.ts'
import type { snapshot } from '../../messages/snapshot.ts'
import type { swarm } from '../../messages/swarm.ts'
import type { unpack } from '../../messages/unpack.ts'

/** The actors a scrub talks to. */
export interface Asks {
  readonly content: Client<typeof content>
  readonly snapshot: Client<typeof snapshot>
  readonly unpack: Client<typeof unpack>
  readonly ingest: Client<typeof ingest>
  readonly fetch: Client<typeof fetch>
  readonly lease: Client<typeof lease>
  /** undefined where this node shares nothing with others */
  readonly swarm: Client<typeof swarm> | undefined
}

/** ms that hashing, or syncing, the largest thing on a slow disk may take. */
export const slowMs = 3_600_000
