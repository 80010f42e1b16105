import { mkdir, open } from 'node:fs/promises'
import { join } from 'node:path'
import { mountedUnder } from '../../runtime/mounts.ts'
import { run } from '../../runtime/processes.ts'
import { tempDirectory } from './temp.ts'

/** A file system of its own, mounted; unmounted and gone when disposed. */
export interface Loop extends AsyncDisposable {
  /** where it is mounted */
  readonly path: string
}

/** How a file system of each kind is made. */
const kinds = {
  btrfs: ['mkfs.btrfs', '--quiet', '--data', 'single', '--metadata', 'single'],
  xfs: ['mkfs.xfs', '-q', '-m', 'reflink=1'],
  ext4: ['mkfs.ext4', '-q', '-F'],
} as const

export type LoopKind = keyof typeof kinds

/** Make a file system in a file, and mount it by a loop device that goes when it is unmounted. */
export async function openLoop(kind: LoopKind, { size = 1 << 30 }: { size?: number } = {}): Promise<Loop> {
  await using stack = new AsyncDisposableStack()
  const directory = stack.use(await tempDirectory()).path
  const [image, path] = [join(directory, 'image'), join(directory, 'at')]
  await using file = await open(image, 'w')
  await file.truncate(size)
  await mkdir(path)
  await must([...kinds[kind], image])
  await must(['mount', '-t', kind, '-o', 'loop', image, path])
  stack.defer(() => leave(path))
  const scope = stack.move()
  return { path, [Symbol.asyncDispose]: () => scope.disposeAsync() }
}

/** Why this machine cannot have one, for the name of a test that is skipped; undefined when it can. */
export async function whyNoLoop(kind: LoopKind): Promise<string | undefined> {
  try {
    await using _loop = await openLoop(kind)
    return undefined
  } catch (error) {
    return error instanceof Error ? error.message : String(error)
  }
}

/** The name of a test, and why it is skipped if it is. */
export const named = (name: string, why: string | undefined): string => (why === undefined ? name : `${name} (skipped: ${why})`)

/** What is mounted inside goes first: a failed test may have left it. */
async function leave(path: string): Promise<void> {
  for (const { at } of await mountedUnder(path)) await must(['umount', at])
}

async function must([command = '', ...args]: readonly string[]): Promise<void> {
  const { code, stderr } = await run(command, args, {
    env: { ...process.env, PATH: `${process.env['PATH']}:/usr/sbin:/sbin`, LC_ALL: 'C' },
  })
  if (code !== 0) throw new Error(`${command}: ${stderr.trim().split('\n')[0]}`)
}
