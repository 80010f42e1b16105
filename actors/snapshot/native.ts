import { chmod, chown, mkdir, readdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { type Code, Failure, isFailure } from '../../messages/grammar/index.ts'
import type { Mount } from '../../messages/snapshot.ts'
import { errnoOf, fromErrno } from '../../runtime/errno.ts'
import { mountAll } from '../../runtime/mounts.ts'
import { run } from '../../runtime/processes.ts'
import { directories } from './directories.ts'
import type { Driver, Layer, Options } from './driver.ts'
import { measure, nothing } from './usage.ts'
import { partsOf } from './usage-shared.ts'

/**
 * Snapshots as whole copies, on any file system: `<id>/fs` holds all that the layer shows. Where the file system can share blocks between files, copies
 * share them. A view of a committed layer is that layer's directory, read-only. For any user: who may not mount can still have, fill and read them.
 */
export function native(directory: string): Driver {
  const places = directories(directory, { clear: openUp })
  let found: string | undefined
  return {
    name: 'native',
    rebase: false,
    get found() {
      return found
    },
    async probe(options) {
      try {
        await using scratch = await places.scratch()
        found = await tryAll(scratch.path, options)
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
    async usage({ id, kind, ancestors: [parent] }, options) {
      if (kind === 'view') return nothing
      return await measure(places.fs(id), { ...options, ground: parent === undefined ? [] : [places.fs(parent)] })
    },
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
    // From inside, not by its path: a copy that outlives a killed node must not write into what the next one makes in its place.
    const args = ['--archive', '--no-target-directory', '--reflink=auto', '--sparse=auto', '--', from, '.']
    const { code, stderr } = await run('cp', args, { signal: options?.signal, env: { ...process.env, LC_ALL: 'C' }, cwd: to })
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

/** Copy a directory and see what of it is shared; see whether this user may mount the copy. */
async function tryAll(scratch: string, options: Options | undefined): Promise<string> {
  const [from, to] = [join(scratch, 'from'), join(scratch, 'to')]
  await mkdir(from)
  await mkdir(to)
  await writeFile(join(from, 'file'), Buffer.alloc(64 * 1024, 1))
  await copy(from, to, options)
  const shares = ((await partsOf(Buffer.from(join(to, 'file'))))?.shared.length ?? 0) > 0
  const limits = [await tryMount(to, from, options), await tryChown(join(to, 'file'))]
  const costs = shares ? 'every snapshot is a copy that shares its data with what it was made of' : 'every snapshot is a whole copy'
  return [costs, ...limits.filter((limit) => limit !== undefined)].join('; ')
}

/** What is limited for a user who may not mount: a directory can be filled and looked at all the same. */
async function tryMount(source: string, at: string, { signal }: Options = {}): Promise<string | undefined> {
  try {
    await using _mounted = await mountAll([{ type: 'bind', source, options: ['ro', 'rbind'] }], at, { ...(signal && { signal }) })
    return undefined
  } catch (error) {
    signal?.throwIfAborted()
    if (!isFailure(error, 'permission_denied')) throw error
    return 'this user may not mount them, so they can be filled and read where they lie, and run no container'
  }
}

async function tryChown(path: string): Promise<string | undefined> {
  try {
    await chown(path, 1, 1)
    return undefined
  } catch (error) {
    if (!['EPERM', 'EINVAL'].includes(errnoOf(error) ?? '')) throw error
    return 'this user cannot give files to others, so owners are not kept'
  }
}

/** A user cannot empty directories whose mode keeps their owner from it. */
async function openUp(path: string): Promise<void> {
  if (process.geteuid?.() === 0) return
  for (const pending = [Buffer.from(path)]; ; ) {
    const directory = pending.pop()
    if (directory === undefined) return
    await chmod(directory, 0o700)
    for (const entry of await readdir(directory, { withFileTypes: true, encoding: 'buffer' }))
      if (entry.isDirectory()) pending.push(Buffer.concat([directory, Buffer.from('/'), entry.name]))
  }
}

function refusal(error: unknown): Failure {
  const errno = errnoOf(error instanceof Error ? (error.cause ?? error) : error)
  const because = (code: Code, why: string) => new Failure(code, `use native snapshots: ${why}`, { cause: error })
  if (errno === 'ENOENT') return because('unimplemented', 'there is no program cp')
  return isFailure(error) ? error : fromErrno(error, 'use native snapshots')
}
