import { hash } from 'node:crypto'
import { blobSubject } from '../../../messages/grammar/index.ts'
import { type Holding, holders, pieceSize, swarm } from '../../../messages/swarm.ts'
import { digestToken } from '../../../messages/words/index.ts'
import type { Blob } from '../../../ops/lab/images.ts'
import type { Bus } from '../../../runtime/bus/bus.ts'
import { serve, serveAt } from '../../../runtime/bus/serve.ts'
import { given } from '../../../runtime/given.ts'
import { noLog } from '../../../runtime/no-log.ts'

export interface PeerInit {
  /** what it makes of the bytes it should send */
  readonly read?: (bytes: Uint8Array<ArrayBuffer>, busy: () => never) => Uint8Array<ArrayBuffer> | Promise<Uint8Array<ArrayBuffer>>
  readonly asked?: (offset: number) => void
  /** what it says instead of the truth */
  readonly says?: Partial<Holding>
  /** false: it says what it has, and is not there to be asked for it */
  readonly serving?: boolean
  /** false: it says what it has only to who asks it, and nobody else */
  readonly answering?: boolean
}

/** A node that says it has all of a blob, and does as it is told. */
export async function startPeer(
  bus: Bus,
  {
    node,
    blob,
    read = (bytes) => bytes,
    asked = () => {},
    serving = true,
    answering = true,
    says = {},
  }: PeerInit & { node: string; blob: Blob },
): Promise<AsyncDisposable> {
  await using peer = new AsyncDisposableStack()
  const { digest, size } = blob.descriptor
  const map = new Uint8Array(Math.ceil(size / pieceSize) * 32)
  for (let at = 0; at < size; at += pieceSize)
    map.set(hash('sha256', blob.bytes.subarray(at, at + pieceSize), 'buffer'), (at / pieceSize) * 32)
  const holding = { node, digest, size, complete: true, map, ...says }
  const answered = peer.use(
    await serveAt(bus, { node, actor: 'swarm', log: noLog, verb: 'holders', call: holders, handler: () => holding }),
  )
  if (answering) await peer.use(answered.listen(blobSubject(bus.root, digestToken(digest)))).ready
  if (serving)
    peer.use(
      await serve(bus, {
        node,
        actor: 'swarm',
        protocol: { have: swarm.have, read: swarm.read },
        log: noLog,
        handlers: {
          have: () => holding,
          async read({ offset, length }, { fail, signal }) {
            asked(offset)
            const bytes = new Uint8Array(blob.bytes.subarray(offset, offset + length))
            return { bytes: await given(signal, Promise.resolve(read(bytes, () => fail('resource_exhausted', 'not now')))) }
          },
        },
      }),
    )
  const kept = peer.move()
  return { [Symbol.asyncDispose]: () => kept.disposeAsync() }
}
