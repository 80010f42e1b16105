import type { Call } from '../../messages/grammar/index.ts'
import type { Bus } from './bus.ts'
import { decode, encode, encodingHeaders } from './codec.ts'
import { gatherAt, type ReplyOf } from './gather.ts'

/** Where everybody meets who shares one thing: a subject to ask all of them on, and one to tell them on. */
export interface Room<C extends Call, Said> extends AsyncDisposable {
  /** What the others answer, as it comes; nobody there is no answer. */
  ask(options: { signal: AbortSignal }): AsyncIterable<ReplyOf<C>>
  /** Tell the others. While the bus is away nobody is told: who asks when it is back hears it. */
  tell(said: Said): void
}

export interface RoomInit<Said> {
  readonly node: string
  /** where they are asked */
  readonly asked: string
  /** where they are told */
  readonly told: string
  /** What was told, checked; undefined when a stranger sent what nobody says. */
  readonly read: (value: unknown) => Said | undefined
  /** What another tells. */
  readonly heard: (said: Said) => void
}

/** Enter. Resolves when what others tell is heard. */
export async function enterRoom<C extends Call, Said extends { readonly node: string }>(
  bus: Bus,
  { node, asked, told, read, heard }: RoomInit<Said>,
): Promise<Room<C, Omit<Said, 'node'>>> {
  const interest = bus.subscribe(told, (delivery) => {
    const said = read(decode(delivery))
    if (said && said.node !== node) heard(said)
  })
  await interest.ready
  return {
    ask: (options) => askRoom<C>(bus, { node, asked }, options),
    tell: (said) => tellRoom(bus, told, { node, ...said }),
    [Symbol.asyncDispose]: () => interest[Symbol.asyncDispose](),
  }
}

/** What everybody but us answers who is in a room. */
export async function* askRoom<C extends Call>(
  bus: Bus,
  { node, asked }: { node: string; asked: string },
  { signal }: { signal: AbortSignal },
): AsyncGenerator<ReplyOf<C>> {
  for await (const answer of gatherAt<C>(bus, asked, {} as never, { stallMs: 1_000, signal })) {
    if ('reply' in answer && answer.node !== node) yield answer.reply
  }
}

/** Tell those in a room, without being there. */
export function tellRoom(bus: Bus, told: string, said: unknown): void {
  try {
    bus.publish(told, { headers: encodingHeaders('msgpack'), payload: encode(said, 'msgpack') })
  } catch {
    // Whoever asks when the bus is back hears it.
  }
}
