import { mkdir, open, readFile, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { Failure, isFailure } from '../../messages/grammar/index.ts'
import type { Mount } from '../../messages/snapshot.ts'
import { errnoOf, fromErrno } from '../../runtime/errno.ts'
import { mountAll } from '../../runtime/mounts.ts'
import { asLayer } from '../../runtime/overlay-data.ts'
import { copyAttributes } from './attributes.ts'
import { directories } from './directories.ts'
import type { Driver, Layer, Layers, Options } from './driver.ts'
import { adoptImplied } from './implied.ts'
import { measure, nothing } from './usage.ts'

/**
 * Snapshots as directories that overlayfs lays over each other. In `directory`, for each id:
 *
 *     <id>/fs     what the layer has that its ancestors have not; a device 0:0 where it hides something of theirs
 *     <id>/work   room for the kernel, of an active one only
 *
 * A view has no directory: it is its ancestors.
 */
export function overlay(directory: string): Driver {
  const places = directories(directory)
  let features: Features = { options: [], userxattr: false }

  const lowerdir = (ids: readonly string[]) => `lowerdir=${ids.map((id) => asLayer(places.fs(id))).join(':')}`
  const over = (options: readonly string[]): Mount[] => [{ type: 'overlay', source: 'overlay', options: [...features.options, ...options] }]

  function mounts({ id, kind, ancestors }: Layer): Mount[] {
    const [nearest, ...further] = ancestors
    if (nearest === undefined) return bind(places.fs(id), kind)
    if (kind === 'active') return over([lowerdir(ancestors), `upperdir=${places.fs(id)}`, `workdir=${places.beside(id, 'work')}`])
    return further.length === 0 ? bind(places.fs(nearest), kind) : over([lowerdir(ancestors)])
  }

  const layers: Layers = {
    target: ({ id }) => ({ kind: 'directory', path: places.fs(id), whiteouts: 'overlay' }),
    async replace({ id, ancestors }, { by, implied }, options) {
      options?.signal?.throwIfAborted()
      await places.replace(id, by, () => adoptImplied(implied, { of: places.fs(by), from: ancestors.map(places.fs) }))
    },
  }

  return {
    name: 'overlay',
    // Marks of deletion are attributes only root can write; in a user namespace the kernel has to write them.
    get rebase() {
      return !features.userxattr
    },
    async probe(options) {
      features = await detect()
      try {
        await using scratch = await places.scratch()
        await tryMount(scratch.path, features, options)
      } catch (error) {
        options?.signal?.throwIfAborted()
        throw refusal(error)
      }
    },
    async prepare({ id, kind, ancestors }, options) {
      options?.signal?.throwIfAborted()
      if (kind === 'view') return
      await places.make(id, 'work')
      const [nearest] = ancestors
      if (nearest !== undefined) copyAttributes(places.fs(nearest), places.fs(id))
    },
    async commit({ id, ancestors }, implied, options) {
      options?.signal?.throwIfAborted()
      adoptImplied(implied, { of: places.fs(id), from: ancestors.map(places.fs) })
    },
    mounts,
    target(layer) {
      if (layer.ancestors.length > 0 || features.userxattr) return { kind: 'mount', mounts: mounts(layer) }
      return { kind: 'directory', path: places.fs(layer.id), whiteouts: 'overlay' }
    },
    get layers() {
      return features.userxattr ? undefined : layers
    },
    usage: async ({ id, kind }, options) => (kind === 'view' ? nothing : await measure(places.fs(id), options)),
    remove: places.remove,
    sweep: places.sweep,
    ids: places.ids,
    sync: places.sync,
  }
}

/** What overlayfs here has to be told. */
interface Features {
  readonly options: readonly string[]
  /** Attributes of overlayfs are `user.overlay.*`: all that a user namespace may write. */
  readonly userxattr: boolean
}

const bind = (source: string, kind: Layer['kind']): Mount[] => [
  { type: 'bind', source, options: [kind === 'active' ? 'rw' : 'ro', 'rbind'] },
]

/**
 * A layer must mean the same over every ancestor and on every machine: nothing in it may refer to another layer, and nothing that does is followed.
 * Known to kernels that have a parameter of the name.
 */
const plain = { index: 'off', redirect_dir: 'nofollow', metacopy: 'off' }

async function detect(): Promise<Features> {
  const options: string[] = []
  for (const [feature, value] of Object.entries(plain))
    if (await exists(`/sys/module/overlay/parameters/${feature}`)) options.push(`${feature}=${value}`)
  const userxattr = !(await readFile('/proc/self/uid_map', 'utf8').catch(() => everyone)).match(/^\s*0\s+0\s+4294967295\s*$/)
  return { options: userxattr ? ['userxattr', ...options] : options, userxattr }
}

const everyone = '0 0 4294967295'
const exists = (path: string) =>
  stat(path).then(
    () => true,
    () => false,
  )

/** Mount one over another, write through it, and look whether it went where it should. */
async function tryMount(scratch: string, { options }: Features, given: Options | undefined): Promise<void> {
  const [lower, upper, work, at] = ['lower', 'upper', 'work', 'at'].map((name) => join(scratch, name)) as [string, string, string, string]
  for (const path of [lower, upper, work, at]) await mkdir(path)
  await writeFile(join(lower, 'below'), '')
  const data = [...options, `lowerdir=${asLayer(lower)}`, `upperdir=${upper}`, `workdir=${work}`]
  await using _mounted = await mountAll([{ type: 'overlay', source: 'overlay', options: data }], at, {
    ...(given?.signal && { signal: given.signal }),
  })
  await writeFile(join(at, 'above'), '')
  await using _below = await open(join(at, 'below'))
  if (!(await exists(join(upper, 'above')))) throw new Failure('unimplemented', `write through overlay at ${at}: it did not reach ${upper}`)
}

/** What the kernel means by refusing. */
function refusal(error: unknown): Failure {
  const cause = error instanceof Error ? (error.cause ?? error) : error
  const because = (code: 'permission_denied' | 'unimplemented', why: string) =>
    new Failure(code, `use overlay snapshots: ${why}`, { cause: error })
  switch (errnoOf(cause)) {
    case 'EPERM':
    case 'EACCES':
      return because('permission_denied', 'this user may not mount overlayfs')
    case 'ENODEV':
      return because('unimplemented', 'the kernel has no overlayfs')
    case 'EINVAL':
      return because('unimplemented', 'overlayfs cannot be laid over this file system; the kernel log says why')
    default:
      return isFailure(error) ? error : fromErrno(error, 'use overlay snapshots')
  }
}
