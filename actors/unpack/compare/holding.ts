import { setTimeout } from 'node:timers/promises'
import type { Client, Log } from '../../../messages/grammar/index.ts'
import type { lease } from '../../../messages/lease.ts'
import type { Thing } from '../../../messages/words/index.ts'

export interface HoldingComponents {
  readonly lease: Pick<Client<typeof lease>, 'create' | 'add' | 'renew' | 'remove'>
  readonly log: Log
}

/** A lease of one piece of work: it ends with the work, and soon by itself when the node dies. */
export interface Holding extends AsyncDisposable {
  readonly lease: string
}

/** s the lease goes on without its work */
const seconds = 600

/** Take a lease that holds a thing, and keep it up. Fails with not_found when there is no such thing. */
export async function holding(
  { lease, log }: HoldingComponents,
  thing: Thing,
  asking: { signal: AbortSignal; trace: string },
): Promise<Holding> {
  await using stack = new AsyncDisposableStack()
  const { id } = await lease.create({ seconds, labels: { 'gantry.compare': thing.key } }, asking)
  stack.defer(async () => {
    await lease.remove({ id }).catch((error: unknown) => log.warn({ err: error, lease: id }, 'a lease of what is compared ends by itself'))
  })
  await lease.add({ id, things: [thing] }, asking)
  const over = stack.adopt(new AbortController(), (controller) => controller.abort())
  void keepUp({ lease, log }, id, over.signal)
  const held = stack.move()
  return { lease: id, [Symbol.asyncDispose]: () => held.disposeAsync() }
}

/** Renew it each time half of it is over. */
async function keepUp({ lease, log }: HoldingComponents, id: string, signal: AbortSignal): Promise<void> {
  while (!signal.aborted) {
    try {
      await setTimeout(seconds * 500, undefined, { signal, ref: false })
      await lease.renew({ id, seconds }, { signal })
    } catch (error) {
      if (!signal.aborted) log.warn({ err: error, lease: id }, 'the lease of what is compared could not be renewed')
    }
  }
}
