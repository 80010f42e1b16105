import { hash } from 'node:crypto'
import type { fetch } from '../../messages/fetch.ts'
import { type Client, isFailure } from '../../messages/grammar/index.ts'
import type { Holding } from '../../messages/swarm.ts'
import { type Descriptor, digestParts } from '../../messages/words/index.ts'

export interface ObjectComponents {
  readonly fetch: Pick<Client<typeof fetch>, 'object'>
  /** Everybody who has some of it, as they answer; nobody is no answer. */
  readonly holders: (options: { signal: AbortSignal }) => AsyncIterable<Holding>
  readonly read: (
    node: string,
    range: { digest: string; offset: number; length: number },
    options: { signal: AbortSignal },
  ) => Promise<Uint8Array>
  readonly blame: (digest: string, sender: string, piece: number | undefined, why: string) => void
}

export interface ObjectRequest {
  /** the reference it is fetched by */
  readonly name: string
  readonly descriptor: Descriptor
}

/** ms another node has to send it, before the registry is asked */
const patienceMs = 2_000

/** A document or a small blob, whole and verified: of the first node that has it, else of its registry. Fails as fetch.object does. */
export async function bringObject(
  components: ObjectComponents,
  { name, descriptor }: ObjectRequest,
  { signal, trace }: { signal: AbortSignal; trace?: string },
): Promise<Uint8Array<ArrayBuffer>> {
  const theirs = await fromOthers(components, descriptor, { signal: AbortSignal.any([signal, AbortSignal.timeout(patienceMs)]) })
  signal.throwIfAborted()
  if (theirs) return theirs
  const parts: Uint8Array[] = []
  for await (const { bytes } of components.fetch.object({ reference: name, descriptor }, { signal, trace })) parts.push(bytes)
  return new Uint8Array(Buffer.concat(parts))
}

async function fromOthers(
  components: ObjectComponents,
  descriptor: Descriptor,
  { signal }: { signal: AbortSignal },
): Promise<Uint8Array<ArrayBuffer> | undefined> {
  const { digest, size } = descriptor
  const { algorithm, hex } = digestParts(digest)
  try {
    // Who has it says so before it is known what its pieces hash to, which need not be: the bytes say what they are.
    for await (const { node, size: theirs } of components.holders({ signal })) {
      if (theirs !== size) continue
      const bytes = await whole(components, node, descriptor, signal)
      if (bytes && hash(algorithm, bytes, 'hex') === hex) return bytes
      if (bytes) components.blame(digest, node, undefined, 'the bytes it sent are not the blob')
    }
  } catch (error) {
    if (!signal.aborted && !isFailure(error)) throw error
  }
  return undefined
}

async function whole(
  { read }: ObjectComponents,
  node: string,
  { digest, size }: Descriptor,
  signal: AbortSignal,
): Promise<Uint8Array<ArrayBuffer> | undefined> {
  try {
    return new Uint8Array(await read(node, { digest, offset: 0, length: size }, { signal }))
  } catch {
    return undefined
  }
}
