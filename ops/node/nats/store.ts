import { type FileHandle, open, readFile } from 'node:fs/promises'
import { Failure, type Log } from '../../../messages/grammar/index.ts'
import { flock, flockAsync } from '../../../runtime/syscalls/index.ts'
import { readRunning, type ServerFiles } from './files.ts'

/**
 * Take the server's directory for a new server. The lock is handed down to the server process, so it is free exactly when no server has
 * the directory any more; one left behind by a node that was killed is ended first. The file is the caller's to close.
 * Fails with failed_precondition when something that is no server of ours holds it.
 */
export async function takeStore(files: ServerFiles, { log, killAfterMs = 5000 }: { log: Log; killAfterMs?: number }): Promise<FileHandle> {
  const file = await open(files.lock, 'a+', 0o600)
  try {
    if (!flock(file.fd)) await endOrphan(files, file, { log, killAfterMs })
    return file
  } catch (error) {
    await file.close()
    throw error
  }
}

async function endOrphan(files: ServerFiles, file: FileHandle, { log, killAfterMs }: { log: Log; killAfterMs: number }): Promise<void> {
  const orphan = await readRunning(files)
  const command = orphan && (await commandOf(orphan.pid))
  // no command line: it is dying at this moment, and the lock about to be free
  const ours = command === '' || command?.split('\0').includes(files.config)
  if (orphan === undefined || !ours) {
    if (flock(file.fd)) return
    throw new Failure('failed_precondition', `start nats-server in ${files.directory}: another process holds ${files.lock}`)
  }
  log.warn({ pid: orphan.pid }, 'ending the nats-server an earlier node left behind')
  signal(orphan.pid, 'SIGTERM')
  const force = setTimeout(() => signal(orphan.pid, 'SIGKILL'), killAfterMs)
  await flockAsync(file.fd)
  clearTimeout(force)
}

/** A process number may have been given to somebody else since: ours has our configuration on its command line. Undefined when there is no such process. */
const commandOf = (pid: number): Promise<string | undefined> => readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => undefined)

function signal(pid: number, name: NodeJS.Signals): void {
  try {
    process.kill(pid, name)
  } catch {
    // it has ended meanwhile, which is what was wanted
  }
}
