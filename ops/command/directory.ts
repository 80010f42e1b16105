import { realpath, stat } from 'node:fs/promises'
import { Failure } from '../../messages/grammar/index.ts'
import { fromErrno } from '../../runtime/errno.ts'
import type { Session } from './session.ts'

/**
 * The whole path of a directory that is handed to a node. Fails with failed_precondition when the node is not known to be on this machine, or it is no directory, and with
 * not_found when there is none; `attempted` says what for.
 */
export async function directoryHere({ here, node }: Pick<Session, 'here' | 'node'>, directory: string, attempted: string): Promise<string> {
  if (!here)
    throw new Failure(
      'failed_precondition',
      `${attempted}: node ${node} is not known to be on this machine, where the directory is; ask one by its --root`,
    )
  try {
    const path = await realpath(directory)
    if ((await stat(path)).isDirectory()) return path
  } catch (error) {
    throw fromErrno(error, `${attempted}: look at ${directory}`)
  }
  throw new Failure('failed_precondition', `${attempted}: ${directory} is not a directory`)
}
