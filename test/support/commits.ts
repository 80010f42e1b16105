import { readFile } from 'node:fs/promises'
import { join } from 'node:path'

/** How many transactions the tables of a node's root have seen since they were made: lmdb keeps the number of the latest where all processes see it. */
export async function commitsOf(root: string): Promise<number> {
  const lock = await readFile(join(root, 'meta', 'lock.mdb'))
  return Number(lock.readBigUInt64LE(8))
}
