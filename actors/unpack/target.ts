import { mkdir, mkdtemp, readdir, rmdir } from 'node:fs/promises'
import { join } from 'node:path'
import { Failure } from '../../messages/grammar/index.ts'
import type { Target } from '../../messages/snapshot.ts'
import { fromErrno } from '../../runtime/errno.ts'
import { mountAll, unmount } from '../../runtime/mounts.ts'
import type { Whiteouts } from './ground.ts'

/** A directory to apply to, for as long as it is not disposed. */
export interface OpenTarget extends AsyncDisposable {
  readonly path: string
  readonly whiteouts: Whiteouts
}

/** Make a target a directory: mounts are mounted at a place of their own below `root`, and taken away again. */
export async function openTarget(root: string, target: Target, options: { signal: AbortSignal }): Promise<OpenTarget> {
  if (target.kind === 'directory') return { path: target.path, whiteouts: target.whiteouts, async [Symbol.asyncDispose]() {} }
  if (target.mounts.length === 0) throw new Failure('invalid_argument', 'apply to what mounts show: there are none')
  await using stack = new AsyncDisposableStack()
  const path = await makePlace(root)
  stack.defer(() => rmdir(path))
  stack.use(await mountAll(target.mounts, path, options))
  const opened = stack.move()
  return { path, whiteouts: 'remove', [Symbol.asyncDispose]: () => opened.disposeAsync() }
}

/** Take away what a node that died left mounted. Only while nothing is applied. */
export async function clearPlaces(root: string): Promise<void> {
  const directory = join(root, 'tmp')
  for (const name of await readdir(directory).catch(() => [])) {
    if (!name.startsWith(prefix)) continue
    await unmount(join(directory, name))
    await rmdir(join(directory, name))
  }
}

const prefix = 'unpack-'

async function makePlace(root: string): Promise<string> {
  const directory = join(root, 'tmp')
  try {
    await mkdir(directory, { recursive: true, mode: 0o700 })
    return await mkdtemp(join(directory, prefix))
  } catch (error) {
    throw fromErrno(error, `make a place to mount in ${directory}`)
  }
}
