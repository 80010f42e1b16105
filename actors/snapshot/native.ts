import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { type Code, Failure, isFailure } from '../../messages/grammar/index.ts'
import type { Mount } from '../../messages/snapshot.ts'
import { errnoOf, fromErrno } from '../../runtime/errno.ts'
import { mountAll } from '../../runtime/mounts.ts'
import { run } from '../../runtime/processes.ts'
import { directories } from './directories.ts'
import type { Driver, Layer, Options } from './driver.ts'
import { measure, nothing } from './usage.ts'

/**
 * Snapshots as whole copies, on any file system: `<id>/fs` holds all that the layer shows. Where the file system can share blocks between files, copies
 * share them. A view of a committed layer is that layer's directory, read-only.
 */
export function native(directory: string): Driver {
  const places = directories(directory)
  return {
    name: 'native',
    rebase: false,
    async probe(options) {
      try {
        await using scratch = await places.scratch()
        await tryBoth(scratch.path, options)
      } catch (error) {
        options?.signal?.throwIfAborted()
        throw refusal(error)
      }
    },
    async prepare({ id, kind, ancestors: [parent] }, options) {
      options?.signal?.throwIfAborted()
      if (kind === 'view') return
      await places.make(id)
      if (parent !== undefined) await copy(places.fs(parent), places.fs(id), options)
    },
    async commit(_, __, options) {
      options?.signal?.throwIfAborted()
    },
    mounts({ id, kind, ancestors: [parent] }): Mount[] {
      const source = places.fs(kind === 'view' && parent !== undefined ? parent : id)
      return [{ type: 'bind', source, options: [kind === 'active' ? 'rw' : 'ro', 'rbind'] }]
    },
    target: ({ id }: Layer) => ({ kind: 'directory', path: places.fs(id), whiteouts: 'remove' }),
    usage: async ({ id, kind }, options) => (kind === 'view' ? nothing : await measure(places.fs(id), options)),
    remove: places.remove,
    sweep: places.sweep,
    ids: places.ids,
    sync: places.sync,
  }
}

/** Copy one directory onto another, empty one, with all there is: hard links, holes, devices, owners, modes, times, attributes, shared blocks where possible. */
async function copy(from: string, to: string, options: Options | undefined): Promise<void> {
  const attempted = `copy ${from} to ${to}`
  try {
    const args = ['--archive', '--no-target-directory', '--reflink=auto', '--sparse=auto', '--', from, to]
    const { code, stderr } = await run('cp', args, { signal: options?.signal, env: { ...process.env, LC_ALL: 'C' } })
    if (code !== 0) throw new Failure(codeOf(stderr), `${attempted}: ${stderr.split('\n')[0]}`)
  } catch (error) {
    options?.signal?.throwIfAborted()
    throw fromErrno(error, attempted)
  }
}

function codeOf(stderr: string): Code {
  if (/No space left|quota exceeded/i.test(stderr)) return 'resource_exhausted'
  return /not permitted|denied/i.test(stderr) ? 'permission_denied' : 'internal'
}

/** Copy a directory, and mount the copy. */
async function tryBoth(scratch: string, options: Options | undefined): Promise<void> {
  const [from, to] = [join(scratch, 'from'), join(scratch, 'to')]
  await mkdir(from)
  await mkdir(to)
  await writeFile(join(from, 'file'), '')
  await copy(from, to, options)
  await using _mounted = await mountAll([{ type: 'bind', source: to, options: ['ro', 'rbind'] }], from, {
    ...(options?.signal && { signal: options.signal }),
  })
}

function refusal(error: unknown): Failure {
  const errno = errnoOf(error instanceof Error ? (error.cause ?? error) : error)
  const because = (code: Code, why: string) => new Failure(code, `use native snapshots: ${why}`, { cause: error })
  if (errno === 'EPERM' || errno === 'EACCES') return because('permission_denied', 'this user may not mount')
  if (errno === 'ENOENT') return because('unimplemented', 'there is no program cp')
  return isFailure(error) ? error : fromErrno(error, 'use native snapshots')
}
