import { mkdtemp, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { run } from './measure.ts'

/** Where a bench works: a file system nobody has used. */
export interface Ground extends AsyncDisposable {
  readonly path: string
}

/**
 * A new ext4 on a loop device, its file in `directory`. A used one is no fair ground: ext4 takes its time not to give out inodes that were freed in the last minute, so who runs
 * after somebody's clean-up pays for it, several times over for an image of many files. Needs root.
 */
export async function freshGround(directory: string): Promise<Ground> {
  const home = await mkdtemp(join(directory, 'bench-'))
  const [image, path] = [join(home, 'ext4'), join(home, 'at')]
  await run('truncate', ['-s', '24G', image])
  await run('mkfs.ext4', ['-q', '-E', 'lazy_itable_init=0,lazy_journal_init=0', image])
  await run('mkdir', [path])
  await run('mount', ['-o', 'loop', image, path])
  return {
    path,
    async [Symbol.asyncDispose]() {
      await run('umount', [path])
      await rm(home, { recursive: true, force: true })
    },
  }
}
