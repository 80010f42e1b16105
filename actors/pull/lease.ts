import { setTimeout } from 'node:timers/promises'
import { isFailure } from '../../messages/grammar/index.ts'
import type { Thing } from '../../messages/words/index.ts'
import type { Asks } from './asks.ts'

/** A pull's own lease: everything the pull makes or needs is held by it until the image is recorded. */
export interface PullLease {
  readonly id: string
  /** s that it lasts: from its beginning, from each renewal, and from the end of a pull without its image */
  readonly seconds: number
}

/** Its lease, by the ticket of a pull: known to whoever knows the ticket, also after a crash. */
export const leaseOf = (ticket: string): string => `pull-${ticket}`

/** Have the lease begin, or, when a run of the node before had begun it, go on. */
export async function take(asks: Asks, { id, seconds }: PullLease, reference: string, options: { signal: AbortSignal }): Promise<void> {
  try {
    await asks.lease.create({ id, seconds, labels: { 'gantry.reference': reference } }, options)
  } catch (error) {
    if (!isFailure(error, 'already_exists')) throw error
    await asks.lease.renew({ id, seconds }, options)
  }
}

/** Renew it each time half of it is over, until told to give up. */
export async function keepUp(asks: Asks, { id, seconds }: PullLease, { signal }: { signal: AbortSignal }): Promise<void> {
  const half = Math.min(seconds * 500, longestMs)
  while (!signal.aborted) {
    try {
      await setTimeout(half, undefined, { signal, ref: false })
      await asks.persist(async () => await asks.lease.renew({ id, seconds }, { signal }), { signal })
    } catch (error) {
      if (!signal.aborted) asks.log.warn({ err: error, lease: id }, 'the lease of a pull could not be renewed')
    }
  }
}

/** No timer waits longer. */
const longestMs = 2 ** 31 - 1

/** Have it hold things that are there; whether they all are. Those that are not may be brought. */
export async function holds(asks: Asks, { id }: PullLease, things: readonly Thing[], options: { signal: AbortSignal }): Promise<boolean> {
  return await asks.persist(async () => {
    try {
      await asks.lease.add({ id, things: [...things] }, options)
      return true
    } catch (error) {
      if (!isFailure(error, 'not_found')) throw error
      return false
    }
  }, options)
}

/** Have it hold those of some things that are there, in as few messages as may be; answers those that are not. */
export async function holdsSome(
  asks: Asks,
  { id }: PullLease,
  things: readonly Thing[],
  options: { signal: AbortSignal },
): Promise<Thing[]> {
  const absent: Thing[] = []
  for (let at = 0; at < things.length; at += together) {
    const request = { id, things: things.slice(at, at + together), some: true as const }
    absent.push(...(await asks.persist(async () => await asks.lease.add(request, options), options)).absent)
  }
  return absent
}

/** As many as one message may name. */
const together = 1000

/** The pull ended without its image: what it brought so far is held for a while, to be gone on with. Whether anything is. */
export async function leave(asks: Asks, { id, seconds }: PullLease): Promise<boolean> {
  const left = await quietly(asks, id, async () => {
    const { things } = await asks.lease.get({ id })
    if (things.length === 0) await asks.lease.remove({ id })
    else await asks.lease.renew({ id, seconds })
    return things.length > 0
  })
  return left ?? false
}

/** What it held is held by the image now. */
export async function letGo(asks: Asks, id: string): Promise<void> {
  await quietly(asks, id, () => asks.lease.remove({ id }))
}

/** The pull has ended, and how: a lease that does not hear of it ends by itself. */
async function quietly<T>(asks: Asks, lease: string, work: () => Promise<T>): Promise<T | undefined> {
  try {
    return await work()
  } catch (error) {
    if (!isFailure(error, 'not_found')) asks.log.warn({ err: error, lease }, 'the lease of a pull ends by itself later')
    return undefined
  }
}
