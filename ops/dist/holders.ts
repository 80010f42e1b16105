import type { content } from '../../messages/content.ts'
import { blobSubject, isFailure } from '../../messages/grammar/index.ts'
import type { Holding, holders } from '../../messages/swarm.ts'
import { gatherAt } from '../../runtime/bus/gather.ts'
import type { Session } from '../command/session.ts'

/** What one node has of a blob. */
export interface Held {
  readonly node: string
  readonly size: number
  readonly bytes: number
  readonly complete: boolean
}

/** Rooms asked at once. */
const atOnce = 32

/** ms in which a node that is busy answers */
const stallMs = 1_000

/** bytes of a piece, but the last */
const pieceSize = 1024 * 1024

/** Who has some of each blob, by its digest, each asked in the blob's room. Whom nobody answers for is there with nobody. */
export async function holdersOf(session: Session, digests: readonly string[]): Promise<Map<string, Held[]>> {
  const held = new Map<string, Held[]>(digests.map((digest) => [digest, []]))
  const waiting = [...held.keys()]
  const work = async () => {
    for (let digest = waiting.shift(); digest !== undefined; digest = waiting.shift()) held.set(digest, await ask(session, digest))
  }
  await Promise.all(Array.from({ length: atOnce }, work))
  return held
}

async function ask(session: Session, digest: string): Promise<Held[]> {
  const { bus, signal } = session
  const found: Promise<Held>[] = []
  const room = blobSubject(bus.root, digest.replace(':', '-'))
  for await (const answer of gatherAt<typeof holders>(bus, room, {}, { stallMs, signal })) {
    // that it has gone meanwhile is an answer too
    if ('reply' in answer) found.push(heldOf(session, answer.reply))
    else if (!isFailure(answer.failure, 'not_found')) throw answer.failure
  }
  return await Promise.all(found)
}

/** Others can have only what they can check, and a node that is asked for a blob for the first time has yet to tell how: whether it has all of it, its content says. */
async function heldOf({ ask }: Session, { node, digest, size, complete, pieces }: Holding): Promise<Held> {
  const whole = complete || (await isContent(ask<typeof content>('content', node), digest))
  return { node, size, complete: whole, bytes: whole ? size : bytesOf(pieces ?? new Uint8Array(), size) }
}

async function isContent(store: { info(request: { digest: string }): PromiseLike<unknown> }, digest: string): Promise<boolean> {
  try {
    await store.info({ digest })
    return true
  } catch (error) {
    if (isFailure(error, 'not_found', 'unavailable', 'deadline_exceeded')) return false
    throw error
  }
}

/** How much a bit a piece comes to; the last piece may be shorter. */
function bytesOf(pieces: Uint8Array, size: number): number {
  let bytes = 0
  for (let piece = 0; piece * pieceSize < size; piece++) {
    const has = ((pieces[piece >> 3] ?? 0) & (0x80 >> (piece & 7))) !== 0
    if (has) bytes += Math.min(pieceSize, size - piece * pieceSize)
  }
  return bytes
}
