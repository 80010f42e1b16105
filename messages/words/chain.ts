import { createHash } from 'node:crypto'
import type { Digest } from './digest.ts'

/**
 * The chainIds of a stack of layers, base first: `chain(0) = diff(0)`, `chain(i) = sha256(chain(i-1) + " " + diff(i))`.
 * A chainId names the snapshot that results from applying layers 0..i (OCI image spec, config, "Layer ChainID").
 */
export function chainIds(diffIds: readonly Digest[]): Digest[] {
  const chain: Digest[] = []
  for (const diffId of diffIds) {
    const below = chain.at(-1)
    chain.push(below === undefined ? diffId : `sha256:${createHash('sha256').update(`${below} ${diffId}`).digest('hex')}`)
  }
  return chain
}
