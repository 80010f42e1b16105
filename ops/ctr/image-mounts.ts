/**
 * What `ctr images mount` leaves behind, by the directory it mounted at: a snapshot under the key of the directory's path, and a lease that holds it, until
 * `ctr images unmount --rm`.
 */
import { createHash } from 'node:crypto'
import { type Client, isFailure } from '../../messages/grammar/index.ts'
import type { lease } from '../../messages/lease.ts'

/** The lease of what is mounted at a directory. */
export const leaseOf = (target: string): string => `mount-${createHash('sha256').update(target).digest('hex').slice(0, 40)}`

/** The lease of a directory, if there is one, and the driver of the snapshot it holds. */
export async function leaseHolding(leases: Client<typeof lease>, target: string): Promise<{ driver?: string } | undefined> {
  try {
    const { things } = await leases.get({ id: leaseOf(target) })
    const [driver] = things.flatMap(({ kind, key }) =>
      kind === 'snapshot' && key.endsWith(`/${target}`) ? [key.slice(0, key.indexOf('/'))] : [],
    )
    return driver === undefined ? {} : { driver }
  } catch (error) {
    if (isFailure(error, 'not_found')) return undefined
    throw error
  }
}

/** What is not there is as good as done. */
export async function absentIsFine(work: PromiseLike<unknown>): Promise<void> {
  try {
    await work
  } catch (error) {
    if (!isFailure(error, 'not_found')) throw error
  }
}
