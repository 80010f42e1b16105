import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { asLayer } from '../../runtime/overlay-data.ts'
import { tempDirectory } from './temp.ts'

/** `count` directories below one with a path as long as wished, in each a file named by its number, ready to be laid over each other at `at`. */
export async function layered(count: number, { long = 0, name = '' }: { long?: number; name?: string } = {}) {
  const temporary = await tempDirectory()
  let root = temporary.path
  while (Buffer.byteLength(root) < long) root = join(root, 'x'.repeat(Math.min(100, long - Buffer.byteLength(root))))
  root = join(root, name)
  const layers = Array.from({ length: count }, (_, n) => join(root, String(n), 'fs'))
  for (const [n, path] of layers.entries()) {
    await mkdir(path, { recursive: true })
    await writeFile(join(path, String(n)), String(n))
  }
  for (const one of ['upper', 'work', 'at']) await mkdir(join(root, one))
  const lowerdir = `lowerdir=${layers.toReversed().map(asLayer).join(':')}`
  return {
    root,
    at: join(root, 'at'),
    layers,
    view: { type: 'overlay', source: 'overlay', options: [lowerdir] },
    active: {
      type: 'overlay',
      source: 'overlay',
      options: ['index=off', lowerdir, `upperdir=${join(root, 'upper')}`, `workdir=${join(root, 'work')}`],
    },
    [Symbol.asyncDispose]: () => temporary[Symbol.asyncDispose](),
  }
}
