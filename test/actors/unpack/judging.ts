/** Others who unpack: what GNU tar makes of an archive, shut up in its root, and umoci of layers. */
import { execFileSync, spawnSync } from 'node:child_process'
import { copyFileSync, existsSync, mkdirSync, rmSync } from 'node:fs'
import { basename, join } from 'node:path'
import { makeImage, makeLayer, writeLayout } from '../../../ops/lab/images.ts'

export const has = (program: string): boolean => spawnSync('which', [program]).status === 0

/** What tar makes of archives, one after another, in a root below `base`; undefined when it refuses one. */
export function judgedByTar(base: string, archives: readonly Buffer[]): string | undefined {
  const root = join(base, 'judged-by-tar')
  mkdirSync(root)
  shutUp(root)
  const words = [root, `/${tools}/loader`, '--library-path', `/${tools}`, `/${tools}/tar`, ...asWritten, '-xPpf', '-', '-C', '/']
  const accepted = archives.every((input) => spawnSync('chroot', words, { input }).status === 0)
  rmSync(join(root, tools), { recursive: true })
  return accepted ? root : undefined
}

const tools = '.judge'
const asWritten = ['--numeric-owner', '--xattrs', '--xattrs-include=*']

/** A root with nothing but tar in it. */
function shutUp(root: string): void {
  const place = join(root, tools)
  mkdirSync(place)
  const program = ['/usr/bin/tar', '/bin/tar'].find(existsSync) ?? 'tar'
  copyFileSync(program, join(place, 'tar'))
  for (const [path] of execFileSync('ldd', [program], { encoding: 'utf8' }).matchAll(/\/\S+/g))
    copyFileSync(path, join(place, basename(path).startsWith('ld-') ? 'loader' : basename(path)))
}

/** What umoci makes of layers, below `base`; undefined when it refuses them. */
export async function judgedByUmoci(base: string, layers: readonly Buffer[]): Promise<string | undefined> {
  const image = await makeImage({ layers: await Promise.all(layers.map((bytes) => makeLayer({ tar: bytes }))) })
  const [layout, root] = [join(base, 'layout'), join(base, 'judged-by-umoci')]
  mkdirSync(layout)
  await writeLayout(layout, 'latest', image)
  return spawnSync('umoci', ['raw', 'unpack', '--image', `${layout}:latest`, root]).status === 0 ? root : undefined
}
