import { hash } from 'node:crypto'
import { setTimeout as later } from 'node:timers/promises'
import { blobSubject } from '../../messages/grammar/index.ts'
import { type Holding, holders, pieceSize, swarm } from '../../messages/swarm.ts'
import { digestToken } from '../../messages/words/index.ts'
import type { Blob } from '../../ops/lab/images.ts'
import type { Bus } from '../../runtime/bus/bus.ts'
import { serve, serveAt } from '../../runtime/bus/serve.ts'
import { given } from '../../runtime/given.ts'
import { noLog } from '../../runtime/no-log.ts'

/** What becomes of a peer: it says what it has and cannot be reached, says nothing, sends what is not so, takes a hundred times as long, is gone. */
export const hostilities = ['unreachable', 'silent', 'lying', 'slow', 'dying'] as const
export type Hostility = (typeof hostilities)[number]

export interface HostilePeerInit {
  readonly node: string
  readonly blob: Blob
  readonly turns: Hostility
  /** bytes it is asked for before */
  readonly after: number
}

/** ms of half a MiB, of who is slow */
const slowMs = 1_000

/** Start a node that has all of a blob, and is good until it was asked for so much of it; on a connection of its own, which goes with it. */
export async function startHostilePeer(bus: Bus, { node, blob, turns, after }: HostilePeerInit): Promise<AsyncDisposable> {
  await using stack = new AsyncDisposableStack()
  stack.use(bus)
  const { digest } = blob.descriptor
  const answered = stack.use(
    await serveAt(bus, { node, actor: 'swarm', log: noLog, verb: 'holders', call: holders, handler: () => holdingOf(node, blob) }),
  )
  await stack.use(answered.listen(blobSubject(bus.root, digestToken(digest)))).ready
  let asked = 0
  const reading = stack.use(
    await serve(bus, {
      node,
      actor: 'swarm',
      protocol: { read: swarm.read },
      log: noLog,
      handlers: {
        async read({ offset, length }, { signal }) {
          const bytes = new Uint8Array(blob.bytes.subarray(offset, offset + length))
          asked += length
          if (asked > after) await given(signal, turn(bytes))
          return { bytes }
        },
      },
    }),
  )

  async function turn(bytes: Uint8Array): Promise<void> {
    if (turns === 'lying') bytes[0] = (bytes[0] ?? 0) ^ 1
    if (turns === 'slow') await later(slowMs)
    if (turns === 'unreachable') await reading[Symbol.asyncDispose]()
    if (turns === 'dying') void bus[Symbol.asyncDispose]()
    if (turns !== 'lying' && turns !== 'slow') await new Promise<never>(() => {})
  }

  if (after === 0 && turns === 'unreachable') await reading[Symbol.asyncDispose]()
  const kept = stack.move()
  return kept
}

function holdingOf(node: string, { descriptor: { digest, size }, bytes }: Blob): Holding {
  const map = new Uint8Array(Math.ceil(size / pieceSize) * 32)
  for (let at = 0; at < size; at += pieceSize) map.set(hash('sha256', bytes.subarray(at, at + pieceSize), 'buffer'), (at / pieceSize) * 32)
  return { node, digest, size, complete: true, map }
}
