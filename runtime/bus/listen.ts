import { type Facts, Failure, type Protocol } from '../../messages/grammar/index.ts'
import type { Bus, Delivery, Interest } from './bus.ts'
import { type Envelope, openEnvelope } from './envelope.ts'
import { type Hearing, subjectsOf } from './hearing.ts'
import { matches } from './matches.ts'

/** Facts as they come. Leaving the loop, or disposing it, ends the interest. */
export interface Heard<Data> extends Interest, AsyncIterable<Envelope<Data>> {}

/** Most facts kept for a loop that does not take them. */
const most = 10_000

/**
 * Hear facts from now on: `listen<typeof ingest, 'committed'>(bus, { node, actor: 'ingest', fact: 'committed' })`, or
 * `listen(bus, { patterns: ['image.>', 'snapshot.>'] })`.
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
  const subjects = subjectsOf(bus.root, hearing)
  const take = (delivery: Delivery): void => {
    const event = openEnvelope(delivery) as Envelope<Facts<P>[F]>
    if (options.handler) options.handler(event)
    else if (queue.length < most) queue.push(event)
    else failure ??= new Failure('resource_exhausted', `listen to ${subjects.join(', ')}: ${most} facts behind`)
    wake()
  }
  const interests = subjects.map((subject, at) =>
    // What two of the patterns name comes twice, and is taken with the first.
    bus.subscribe(subject, (delivery) => {
      if (!subjects.slice(0, at).some((earlier) => matches(earlier, delivery.subject))) take(delivery)
    }),
  )
  const ready = Promise.all(interests.map((interest) => interest.ready)).then(() => {})
  ready.catch(() => {}) // not everybody waits for it
  const end = async (): Promise<void> => {
    over = true
    options.signal?.removeEventListener('abort', end)
    wake()
    await Promise.all(interests.map((interest) => interest[Symbol.asyncDispose]()))
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
  return { ready, [Symbol.asyncDispose]: end, [Symbol.asyncIterator]: items }
}
