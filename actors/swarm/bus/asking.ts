import { Failure, isFailure } from '../../../messages/grammar/index.ts'
import type { Holding, swarm } from '../../../messages/swarm.ts'
import type { Digest } from '../../../messages/words/index.ts'
import type { Bus } from '../../../runtime/bus/bus.ts'
import { client } from '../../../runtime/bus/client.ts'
import { isNobody } from '../../../runtime/bus/packet.ts'
import type { ReadOptions } from '../memory.ts'

/** Bytes of a blob. */
interface Range {
  readonly digest: Digest
  readonly offset: number
  readonly length: number
}

/** Ask one other node. */
export interface Asking {
  /** For bytes it has, at most a piece. Fails with what it says, or data_loss when it sends fewer or more. */
  read(node: string, range: Range, options: ReadOptions): Promise<Uint8Array>
  /** What it has of a blob; undefined when it is not there, or has nothing. Fails when it cannot be asked for any other reason, or says nothing. */
  holding(node: string, digest: Digest, options: { signal: AbortSignal }): Promise<Holding | undefined>
}

/** Most bytes of one answer on the bus. */
export const partBytes = 512 * 1024
/** ms a node has to say what it has */
const patienceMs = 2_000

/** Over the bus: the way that always works. */
export function askOverBus(bus: Bus): Asking {
  const others = new Map<string, ReturnType<typeof client<typeof swarm>>>()
  const ask = (node: string) => {
    const other = others.get(node) ?? client<typeof swarm>(bus, { node, actor: 'swarm' })
    if (others.size < 1_000) others.set(node, other)
    return other
  }
  return {
    async read(node, { digest, offset, length }, { signal }) {
      const parts: Promise<Uint8Array>[] = []
      for (let at = offset; at < offset + length; at += partBytes)
        parts.push(part(ask(node), { digest, offset: at, length: Math.min(partBytes, offset + length - at) }, { signal }))
      const [first, ...more] = await Promise.all(parts)
      return more.length === 0 && first ? first : Buffer.concat([...(first ? [first] : []), ...more])
    },
    async holding(node, digest, { signal }) {
      try {
        return await ask(node).have({ digest }, { signal, timeoutMs: patienceMs })
      } catch (error) {
        if (isFailure(error, 'not_found') || isNobody(error)) return undefined
        throw error
      }
    },
  }
}

/** Ask a node to offer a connection for a blob to whose loopback has that name. */
export const connectOverBus =
  (bus: Bus) =>
  async (node: string, wanted: { digest: Digest; loopback?: string | undefined }, { signal }: { signal: AbortSignal }) =>
    await client<typeof swarm>(bus, { node, actor: 'swarm' }).connect(wanted, { signal, timeoutMs: offerMs })

/** ms a node has to offer a connection */
const offerMs = 3_000

async function part(other: ReturnType<typeof client<typeof swarm>>, range: Range, options: { signal: AbortSignal }): Promise<Uint8Array> {
  const { bytes } = await other.read(range, { ...options, timeoutMs: Number.POSITIVE_INFINITY })
  if (bytes.length === range.length) return bytes
  throw new Failure('data_loss', `read ${range.length} bytes at ${range.offset} of ${range.digest}: ${bytes.length} came`)
}
