import type { fetch } from '../../messages/fetch.ts'
import type { Client } from '../../messages/grammar/index.ts'
import { type Holding, pieceSize, type swarm } from '../../messages/swarm.ts'
import type { Descriptor, Digest } from '../../messages/words/index.ts'

/** A blob, and the reference its registry has it under. */
export interface Sought {
  readonly name: string
  readonly descriptor: Descriptor
}

/** A blob that goes into a file of ingest, from an offset on. */
export interface Lent extends Sought {
  readonly token: string
  readonly path: string
  readonly offset: number
}

/** From whom bytes are taken: other nodes and the registry, or the registry alone. Company: others want the same at the moment, so that it is to be agreed on who reads what. */
export type From = 'anybody' | 'company' | 'registry'

/** How far a blob is, and whether other nodes had a part in it. */
export interface Reached {
  readonly offset: number
  readonly shared: boolean
}

/** Where blobs come from. */
export interface Source {
  /** One of at most 512 KiB, whole and verified. */
  object(sought: Sought, options: { signal: AbortSignal }): Promise<Uint8Array>
  /** One that goes into a file, which ingest is told of as it grows. */
  blob(lent: Lent, from: From, options: { signal: AbortSignal }): AsyncIterable<Reached>
}

/** From the registry, whatever other nodes have. */
export function registrySource(asks: { fetch: Pick<Client<typeof fetch>, 'object' | 'blob'> }): Source {
  return {
    async object({ name, descriptor }, options) {
      const pieces: Uint8Array[] = []
      for await (const { bytes } of asks.fetch.object({ reference: name, descriptor }, options)) pieces.push(bytes)
      return pieces.length === 1 && pieces[0] ? pieces[0] : Buffer.concat(pieces)
    },
    async *blob(lent, _, options) {
      for await (const { offset } of asks.fetch.blob({ ...lent }, options)) yield { offset, shared: false }
    },
  }
}

export interface ClusterAsks {
  readonly swarm: Pick<Client<typeof swarm>, 'object' | 'bring'>
  readonly registry: Source
  /** Every other node that has some of a blob, or is bringing it, as they answer; nobody is no answer. */
  readonly holders: (digest: Digest, options: { signal: AbortSignal }) => AsyncIterable<Holding>
}

/**
 * From other nodes that have it, and from the registry what they have not. Of a blob of one piece that nobody is there for it is agreed with nobody who reads it: that would take longer than
 * reading it.
 */
export function clusterSource({ swarm, registry, holders }: ClusterAsks): Source {
  async function* bring(lent: Lent, from: 'anybody' | 'registry', options: { signal: AbortSignal }): AsyncIterable<Reached> {
    for await (const { offset, sources } of swarm.bring({ ...lent, from }, options))
      yield { offset, shared: Object.keys(sources.peers).length > 0 }
  }
  return {
    object: async ({ name, descriptor }, options) => (await swarm.object({ name, descriptor }, { ...options, timeoutMs })).bytes,
    async *blob(lent, from, options) {
      const { digest, size } = lent.descriptor
      if (from === 'anybody' && size <= pieceSize && !(await some(holders(digest, options)))) yield* registry.blob(lent, from, options)
      else yield* bring(lent, from === 'registry' ? from : 'anybody', options)
    },
  }
}

async function some(all: AsyncIterable<unknown>): Promise<boolean> {
  for await (const _ of all) return true
  return false
}

/** A registry may ask for patience, and be given it. */
const timeoutMs = 120_000
