import { resolve } from 'node:path'
import type { Mount } from '../../messages/snapshot.ts'
import { mountLines } from '../command/mount-lines.ts'
import { type Listing, print } from '../command/output.ts'

interface Mounts {
  readonly mounts: Mount[]
  readonly driver: string
}

/** Print how a snapshot is mounted: command lines to paste into a shell, or the data on a line of JSON. */
export function printMounts(
  { mounts, driver }: Mounts,
  { target, listing: { json } }: { target?: string | undefined; listing: Listing },
): void {
  print(json ? [JSON.stringify({ driver, mounts })] : mountLines(mounts, target === undefined ? undefined : resolve(target)))
}
