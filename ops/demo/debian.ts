import { execFile } from 'node:child_process'
import { lstat, mkdir, readdir, readFile, readlink } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import type { TarEntry } from '../../runtime/tar.ts'

const run = promisify(execFile)

/** Packages `name` needs to be installed on a system that has nothing, itself included, as apt works it out. Nothing is installed. */
export async function closureOf(name: string): Promise<string[]> {
  const { stdout } = await run('apt-get', ['-o', 'Dir::State::status=/dev/null', '-s', '--no-install-recommends', 'install', name])
  return stdout.split('\n').flatMap((line) => /^Inst (\S+)/.exec(line)?.[1] ?? [])
}

/** Those of `names` that are libraries: what a program needs to run, without what Debian needs to install it. */
export async function librariesOf(names: readonly string[]): Promise<string[]> {
  const { stdout } = await run('apt-cache', ['--no-all-versions', 'show', ...names])
  const sections = stdout
    .split('\n\n')
    .map((text) => ({ name: /^Package: (\S+)/m.exec(text)?.[1] ?? '', section: /^Section: (\S+)/m.exec(text)?.[1] }))
  return sections.filter(({ section }) => section === 'libs').map(({ name }) => name)
}

/** Download packages and unpack the files of all of them into `directory`. Nothing is installed on this machine. */
export async function unpackPackages(names: readonly string[], directory: string): Promise<void> {
  const debs = `${directory}.debs`
  await Promise.all([mkdir(debs, { recursive: true }), mkdir(directory, { recursive: true })])
  await run('apt-get', ['-o', 'APT::Sandbox::User=root', 'download', ...names], { cwd: debs })
  for (const file of await readdir(debs)) await run('dpkg-deb', ['-x', join(debs, file), directory])
}

/** What is below `directory` as entries of an archive, sorted, owned by root, without documentation. */
export async function* entriesOf(directory: string, below = ''): AsyncIterable<TarEntry> {
  for (const name of (await readdir(join(directory, below))).toSorted()) {
    const path = join(below, name)
    if (/^usr\/share\/(doc|man|locale|lintian)$/.test(path)) continue
    const stat = await lstat(join(directory, path))
    const common = { mode: stat.mode & 0o7777, mtime: stat.mtime }
    if (stat.isDirectory()) {
      yield { ...common, name: `${path}/`, type: 'directory' }
      yield* entriesOf(directory, path)
    } else if (stat.isSymbolicLink()) yield { ...common, name: path, type: 'symlink', linkname: await readlink(join(directory, path)) }
    else if (stat.isFile()) yield { ...common, name: path, content: await readFile(join(directory, path)) }
  }
}
