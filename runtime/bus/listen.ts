import { eventSubject, type Facts, Failure, type Protocol } from '../../messages/grammar/index.ts'
import type { Bus, Interest } from './bus.ts'
import { type Envelope, openEnvelope } from './envelope.ts'

/** Which facts: of one node or of all, of one actor or of all, one fact or all of them. */
export interface Hearing<F extends string = string> {
  readonly node?: string | undefined
  readonly actor?: string | undefined
  readonly fact?: F | undefined
}

/** Facts as they come. Leaving the loop, or disposing it, ends the interest. */
export interface Heard<Data> extends Interest, AsyncIterable<Envelope<Data>> {}

/** Most facts kept for a loop that does not take them. */
const most = 10_000

/**
 * Hear facts from now on: `listen<typeof ingest, 'committed'>(bus, { node, actor: 'ingest', fact: 'committed' })`.
 *
 * Await `ready` before causing what is to be heard. Facts arrive as told, unchecked, and only while connected: what must not be missed is
 * read from the stream. With a handler each fact is handed to it; without, loop over what is returned. A loop that falls 10,000
 * behind fails with resource_exhausted.
 */
export function listen<P extends Protocol, F extends keyof Facts<P> & string = keyof Facts<P> & string>(
  bus: Bus,
  hearing: Hearing<F>,
  options: { handler?: ((event: Envelope<Facts<P>[F]>) => void) | undefined; signal?: AbortSignal | undefined } = {},
): Heard<Facts<P>[F]> {
  const queue: Envelope<Facts<P>[F]>[] = []
  let wake = (): void => {}
  let failure: Failure | undefined
  let over = false
  const pattern = eventSubject(bus.root, hearing.node ?? '*', hearing.actor ?? '*', hearing.fact ?? '*')
  const interest = bus.subscribe(pattern, (delivery) => {
    const event = openEnvelope(delivery) as Envelope<Facts<P>[F]>
    if (options.handler) return options.handler(event)
    if (queue.length < most) queue.push(event)
    else failure ??= new Failure('resource_exhausted', `listen to ${pattern}: ${most} facts behind`)
    wake()
  })
  const end = async (): Promise<void> => {
    over = true
    options.signal?.removeEventListener('abort', end)
    wake()
    await interest[Symbol.asyncDispose]()
  }
  if (options.signal?.aborted) void end()
  else options.signal?.addEventListener('abort', end)

  async function* items(): AsyncGenerator<Envelope<Facts<P>[F]>> {
    try {
      while (true) {
        options.signal?.throwIfAborted()
        const event = queue.shift()
        if (event) yield event
        else if (failure) throw failure
        else if (over) return
        else
          await new Promise<void>((resolve) => {
            wake = resolve
          })
      }
    } finally {
      await end()
    }
  }
  return { ready: interest.ready, [Symbol.asyncDispose]: end, [Symbol.asyncIterator]: items }
}
