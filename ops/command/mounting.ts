/** Mounts in the caller's own mount namespace. */
import type { Mount } from '../../messages/snapshot.ts'
import { mountAll, mountedUnder, unmount } from '../../runtime/mounts.ts'

/** Mount all of these at a directory, to stay; on failure none does. */
export async function mountToStay(mounts: readonly Mount[], at: string, options: { signal: AbortSignal }): Promise<void> {
  await mountAll(mounts, at, options)
}

/** How many mounts there are at a directory, one over the other. */
export const countMounts = async (at: string): Promise<number> => (await mountedUnder(at)).filter((one) => one.at === at).length

/** Take away all there are at a directory. */
export const unmountAt = unmount
