import { type FileHandle, open } from 'node:fs/promises'
import { join } from 'node:path'
import { Failure } from '../../messages/grammar/index.ts'
import { fromErrno } from '../../runtime/errno.ts'
import { flock } from '../../runtime/syscalls/index.ts'

/**
 * Be the one node of a root until disposed. The kernel frees the lock when the process ends, however it ends.
 * Fails with failed_precondition, naming the process that has it.
 */
export async function lockRoot(root: string, { node }: { node: string }): Promise<AsyncDisposable> {
  const path = join(root, 'lock')
  const file = await open(path, 'a+', 0o600).catch((error: unknown) => {
    throw fromErrno(error, `lock ${path}`)
  })
  if (!flock(file.fd)) {
    const holder = await contents(file)
    await file.close()
    throw new Failure('failed_precondition', `start node ${node} on ${root}: ${holder || 'another node'} runs there already`)
  }
  await file.truncate()
  await file.write(`node ${node}, pid ${process.pid},`)
  return { [Symbol.asyncDispose]: () => file.close() }
}

async function contents(file: FileHandle): Promise<string> {
  const { buffer, bytesRead } = await file.read(Buffer.alloc(200), 0, 200, 0)
  return buffer.toString('utf8', 0, bytesRead)
}
