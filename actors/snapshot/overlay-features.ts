import { mkdir, open, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { type Code, Failure, isFailure } from '../../messages/grammar/index.ts'
import { errnoOf, fromErrno } from '../../runtime/errno.ts'
import { mountAll } from '../../runtime/mounts.ts'
import { asLayer } from '../../runtime/overlay-data.ts'
import { opaqueName, userxattr } from '../../runtime/overlay-marks.ts'
import { AT_FDCWD, lsetxattr, mknodat, S } from '../../runtime/syscalls/index.ts'
import type { Options } from './driver.ts'

/** What overlayfs is like here. */
export interface OverlayFeatures {
  /** what it has to be told with every mount */
  readonly options: readonly string[]
  /** It reads the marks of deletion that this process can write. */
  readonly marks: boolean
}

/** Find out by using it, in the empty directory `scratch`. Fails with permission_denied or unimplemented, and says what is missing. */
export async function overlayFeatures(scratch: string, given: Options | undefined): Promise<OverlayFeatures> {
  const options = await plainOptions()
  try {
    return { options, marks: await tryMount(scratch, options, given) }
  } catch (error) {
    given?.signal?.throwIfAborted()
    throw refusal(error)
  }
}

/**
 * A layer must mean the same over every ancestor and on every machine: nothing in it may refer to another layer, and nothing that does is followed.
 * Known to kernels that have a parameter of the name.
 */
const plain = { index: 'off', redirect_dir: 'nofollow', metacopy: 'off' }

async function plainOptions(): Promise<string[]> {
  const options = userxattr() ? ['userxattr'] : []
  for (const [feature, value] of Object.entries(plain))
    if (await exists(`/sys/module/overlay/parameters/${feature}`)) options.push(`${feature}=${value}`)
  return options
}

const exists = (path: string) =>
  stat(path).then(
    () => true,
    () => false,
  )

/**
 * Mount one over another, write through it, and look whether it went where it should. Answers whether marks made by hand do what they should: root can make
 * them everywhere, root of a user namespace since Linux 5.8.
 */
async function tryMount(scratch: string, options: readonly string[], given: Options | undefined): Promise<boolean> {
  const names = ['lower', 'upper', 'work', 'marked', 'at']
  const [lower, upper, work, marked, at] = names.map((name) => join(scratch, name)) as [string, string, string, string, string]
  for (const path of [lower, upper, work, marked, at, join(lower, 'hidden'), join(marked, 'hidden')]) await mkdir(path)
  for (const path of [join(lower, 'below'), join(lower, 'gone'), join(lower, 'hidden/file')]) await writeFile(path, '')
  const canMark = mark(marked)
  const layers = `lowerdir=${asLayer(marked)}:${asLayer(lower)}`
  const data = [...options, layers, `upperdir=${upper}`, `workdir=${work}`]
  await using _mounted = await mountAll([{ type: 'overlay', source: 'overlay', options: data }], at, {
    ...(given?.signal && { signal: given.signal }),
  })
  await writeFile(join(at, 'above'), '')
  await using _below = await open(join(at, 'below'))
  if (!(await exists(join(upper, 'above')))) throw new Failure('unimplemented', `write through overlay at ${at}: it did not reach ${upper}`)
  return canMark && !(await exists(join(at, 'gone'))) && !(await exists(join(at, 'hidden/file')))
}

/** Mark `gone` as deleted and `hidden` as hiding what is below; whether this process may. */
function mark(layer: string): boolean {
  try {
    mknodat(AT_FDCWD, join(layer, 'gone'), S.CHR, 0, 0)
    lsetxattr(join(layer, 'hidden'), opaqueName(), Buffer.from('y'))
    return true
  } catch (error) {
    if (errnoOf(error) === 'EPERM' || errnoOf(error) === 'EOPNOTSUPP' || errnoOf(error) === 'ENOTSUP') return false
    throw error
  }
}

/** What the kernel means by refusing. */
function refusal(error: unknown): Failure {
  const cause = error instanceof Error ? (error.cause ?? error) : error
  const because = (code: Code, why: string) => new Failure(code, `use overlay snapshots: ${why}`, { cause: error })
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
