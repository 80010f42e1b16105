import { blobSubject, Failure, type Log } from '../../../messages/grammar/index.ts'
import { Gained, type Holding, holders } from '../../../messages/swarm.ts'
import { type Digest, digestToken } from '../../../messages/words/index.ts'
import type { Bus, Interest } from '../../../runtime/bus/bus.ts'
import { askRoom, enterRoom, tellRoom } from '../../../runtime/bus/room.ts'
import { serveAt } from '../../../runtime/bus/serve.ts'
import type { Room } from '../room.ts'

/** The rooms of all blobs: who is in one answers there, and hears what is told. */
export interface Hall extends AsyncDisposable {
  /** Answer, from now on, who asks for a blob. */
  answer(digest: Digest): void
  /** Answer no more. */
  leave(digest: Digest): void
  /** Hear what others tell of a blob. */
  enter(digest: Digest, heard: (gained: Gained) => void): Promise<Room>
  /** What others have of a blob, without being there. */
  ask(digest: Digest, options: { signal: AbortSignal }): AsyncIterable<Holding>
  /** Tell who hears it, without being there. */
  tell(digest: Digest, gained: Omit<Gained, 'node'>): void
}

export interface HallComponents {
  readonly bus: Bus
  readonly log: Log
  /** What is here of a blob. */
  readonly holding: (digest: Digest) => Holding | undefined
}

/** Open it; nothing is answered yet. */
export async function openHall({ bus, log, holding }: HallComponents, { node }: { node: string }): Promise<Hall> {
  const places = new Map<Digest, Interest>()
  const answers = await serveAt(bus, {
    node,
    actor: 'swarm',
    log,
    verb: 'holders',
    call: holders,
    handler: (at) => holding(digestAt(at)) ?? nothingHere(digestAt(at)),
  })
  const asked = (digest: Digest) => blobSubject(bus.root, digestToken(digest))
  const told = (digest: Digest) => blobSubject(bus.root, digestToken(digest), 'gained')
  const read = (value: unknown) => Gained.safeParse(value).data
  return {
    answer(digest) {
      if (!places.has(digest)) places.set(digest, answers.listen(asked(digest)))
    },
    leave(digest) {
      void places.get(digest)?.[Symbol.asyncDispose]()
      places.delete(digest)
    },
    enter: (digest, heard) => enterRoom<typeof holders, Gained>(bus, { node, asked: asked(digest), told: told(digest), heard, read }),
    ask: (digest, options) => askRoom<typeof holders>(bus, { node, asked: asked(digest) }, options),
    tell: (digest, gained) => tellRoom(bus, told(digest), { node, ...gained }),
    async [Symbol.asyncDispose]() {
      await Promise.all([...places.values()].map((place) => place[Symbol.asyncDispose]()))
      await answers[Symbol.asyncDispose]()
    },
  }
}

/** `gantry.blob.sha256-<hex>` → `sha256:<hex>`. */
const digestAt = (at: string): Digest => at.slice(at.lastIndexOf('.') + 1).replace('-', ':')

export const nothingHere = (digest: Digest): never => {
  throw new Failure('not_found', `say what is here of ${digest}: nothing is`)
}
