import { blobSubject } from '../../messages/grammar/index.ts'
import { Gained, type Holding, type holders } from '../../messages/swarm.ts'
import { type Digest, digestToken } from '../../messages/words/index.ts'
import type { Bus } from '../../runtime/bus/bus.ts'
import { decode, encode, encodingHeaders } from '../../runtime/bus/codec.ts'
import { gatherAt } from '../../runtime/bus/gather.ts'

/** Where everybody who shares one blob meets. */
export interface Room extends AsyncDisposable {
  /** What others have now, as they answer; nobody there is no answer. */
  ask(options: { signal: AbortSignal }): AsyncIterable<Holding>
  /** Tell the others. While the bus is away nobody is told; who asks later hears it. */
  tell(gained: Omit<Gained, 'node'>): void
}

export interface RoomInit {
  readonly digest: Digest
  readonly node: string
  /** What another tells. Whatever a stranger sends comes checked, or not at all. */
  readonly heard: (gained: Gained) => void
}

/** Everybody but us who has some of a blob, as they answer; nobody there is no answer. */
export async function* askHolders(
  bus: Bus,
  { digest, node }: { digest: Digest; node: string },
  { signal }: { signal: AbortSignal },
): AsyncGenerator<Holding> {
  const at = blobSubject(bus.root, digestToken(digest))
  for await (const answer of gatherAt<typeof holders>(bus, at, {}, { stallMs: 1_000, signal })) {
    if ('reply' in answer && answer.reply.node !== node && answer.reply.digest === digest) yield answer.reply
  }
}

/** Enter. Resolves when what others tell is heard. */
export async function enterRoom(bus: Bus, { digest, node, heard }: RoomInit): Promise<Room> {
  const told = blobSubject(bus.root, digestToken(digest), 'gained')
  const interest = bus.subscribe(told, (delivery) => {
    const { data } = Gained.safeParse(decode(delivery))
    if (data && data.node !== node) heard(data)
  })
  await interest.ready
  return {
    ask: (options) => askHolders(bus, { digest, node }, options),
    tell(gained) {
      try {
        bus.publish(told, { headers: encodingHeaders('msgpack'), payload: encode({ node, ...gained }, 'msgpack') })
      } catch {
        // Whoever asks when the bus is back hears it.
      }
    },
    [Symbol.asyncDispose]: () => interest[Symbol.asyncDispose](),
  }
}
