import type { Client } from '../../messages/grammar/index.ts'
import type { lease } from '../../messages/lease.ts'

/** s that what a command holds outlives the command, when it dies */
const seconds = 60

/** A lease for as long as a command works. Disposing it ends it: what only it held is collected soon. */
export interface ShortLease extends AsyncDisposable {
  readonly id: string
}

/** Take one, and keep it up until it is disposed. */
export async function shortLease(leases: Client<typeof lease>, labels: Readonly<Record<string, string>>): Promise<ShortLease> {
  const { id } = await leases.create({ seconds, labels })
  // one that is missed is made up for by the next; one that ended has the work itself fail
  const living = setInterval(() => void leases.renew({ id, seconds }).catch(() => {}), (seconds * 1000) / 3)
  return {
    id,
    async [Symbol.asyncDispose]() {
      clearInterval(living)
      // whatever was given up; what is not heard of it ends by itself
      await leases.remove({ id }, { signal: undefined }).catch(() => {})
    },
  }
}
