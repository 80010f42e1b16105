import { execFileSync } from 'node:child_process'
import { chown, lstat, mkdir, readdir, readFile, readlink } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest'
import { chainIds } from '../../messages/words/index.ts'
import { makeImage, pushImage } from '../../ops/lab/images.ts'
import { startRegistry } from '../../ops/lab/registry.ts'
import { complaint } from '../support/complaint.ts'
import { archive, character, directory, fifo, file, link, symlink } from '../support/layers.ts'
import { command, type Program, type Ran, type RunningNode, startNode } from '../support/node.ts'
import { remains } from '../support/remains.ts'
import { layerOf } from '../support/rich-image.ts'
import { tempDirectory } from '../support/temp.ts'

// a machine that is busy starts processes slowly
vi.setConfig({ testTimeout: 60_000 })

/** Nobody in particular, who may do nothing in particular; whoever runs the tests if that is not root. */
const isRoot = process.getuid?.() === 0
const nobody = 65_534
const through = isRoot
  ? ['setpriv', `--reuid=${nobody}`, `--regid=${nobody}`, '--clear-groups', '--bounding-set=-all', '--no-new-privs', '--']
  : []

/** Where the project lies in a home of root's own, nobody else can run it. */
function canRun(): boolean {
  try {
    const [program = '', ...words] = [...through, command('gantry'), '--help']
    execFileSync(program, words, { stdio: 'ignore' })
    return true
  } catch {
    return false
  }
}

describe.runIf(canRun())('an ordinary user', () => {
  const scope = new AsyncDisposableStack()
  let home: string
  let node: RunningNode
  let reference: string
  let chain: string[]

  const plain = [
    directory('etc/', { mode: 0o750, mtime: 1_234_567 }),
    file('etc/name', 'of the image', { mode: 0o640, mtime: 1_234_567 }),
    symlink('name', 'etc/link'),
    link('etc/name', 'etc/same'),
    fifo('etc/pipe', { mode: 0o600 }),
  ]
  const special = [
    file('owned', 'by another', { uid: 1234, gid: 1234 }),
    file('trusted', 'to be another', { uid: 0, mode: 0o4755 }),
    character('device', 1, 3),
    file('able', 'to do more', {
      pax: { 'SCHILY.xattr.security.capability': Buffer.from('0100000200040000000000000000000000000000', 'hex') },
    }),
  ]

  beforeAll(async () => {
    home = scope.use(await tempDirectory()).path
    const root = join(home, 'root')
    await mkdir(root, { mode: 0o700 })
    if (isRoot) for (const path of [home, root]) await chown(path, nobody, nobody)
    const registry = scope.use(await startRegistry())
    const image = await makeImage({
      layers: [layerOf(archive(...plain, ...special)), layerOf(archive(file('etc/.wh.link'), file('second', 'second')))],
    })
    chain = chainIds(image.layers.map(({ diffId }) => diffId))
    reference = await pushImage(registry, 'special:latest', image)
    node = scope.use(await startNode({ root, through, env: { HOME: home } }))
  })
  afterAll(() => scope.disposeAsync())

  const asked = (program: Program, ...args: string[]): Promise<Ran> => node.run(program, args, { through, env: { HOME: home } })
  async function said(program: Program, ...args: string[]): Promise<string> {
    const { stdout, stderr, exitCode } = await asked(program, ...args)
    expect({ args, stderr, exitCode }).toEqual({ args, stderr: '', exitCode: 0 })
    return stdout.trimEnd()
  }

  /** What of an image is not kept, by what is said on standard error. */
  const notKept = (stderr: string): string[] =>
    stderr
      .trimEnd()
      .split('\n')
      .filter((line) => line.startsWith('dist: not kept: '))
      .map((line) => /"([^"]*)"/.exec(line)?.[1] ?? line)

  test('has a node, and brings an image to it with what a user may have', async () => {
    const { stdout, stderr, exitCode } = await asked('dist', 'pull', '--driver', 'native', reference)
    expect({ exitCode, stderr }).toEqual({ exitCode: 0, stderr: expect.stringContaining('dist: not kept: ') })
    expect(stdout).toMatch(/\nelapsed .* unpacked /)
    expect(notKept(stderr)).toEqual(expect.arrayContaining(['owned', 'trusted', 'device', 'able']))
    // it is told where it is done, and not again
    expect(await said('dist', 'pull', '--driver', 'native', reference)).toMatch(/^exists\timage\t/)
    expect(await remains(node)).toEqual([])
  })

  test('finds in it all that anybody may have', async () => {
    const [, top = ''] = chain
    await said('ctr', 'snapshots', 'view', '--driver', 'native', 'look', top)
    const { mounts } = JSON.parse(await said('ctr', 'snapshots', 'mounts', '--json', '--driver', 'native', 'look'))
    const at = mounts[0].source
    expect((await readdir(at)).toSorted()).toEqual(['able', 'etc', 'owned', 'second', 'trusted'])
    expect((await readdir(join(at, 'etc'))).toSorted()).toEqual(['name', 'pipe', 'same'])
    expect(await readFile(join(at, 'etc/same'), 'utf8')).toBe('of the image')
    const { mode, mtimeMs, nlink, uid } = await lstat(join(at, 'etc/name'))
    expect({ mode: mode & 0o7777, mtimeMs, nlink, uid }).toEqual({
      mode: 0o640,
      mtimeMs: 1_234_567_000,
      nlink: 2,
      uid: isRoot ? nobody : process.getuid?.(),
    })
    expect(await readFile(join(at, 'owned'), 'utf8')).toBe('by another')
    // what is run with its owner's rights must not get those of whoever unpacked it
    expect((await lstat(join(at, 'trusted'))).mode & 0o7777).toBe(0o755)
    await said('ctr', 'snapshots', 'rm', '--driver', 'native', 'look')
  })

  test('unpacks what is here for the driver a node takes by itself, and is told what was not kept', async () => {
    await said('dist', 'fetch', reference)
    await said('dist', 'rmi', '--sync', reference)
    await said('dist', 'fetch', reference)
    const { stdout, stderr, exitCode } = await asked('dist', 'unpack', '--json', reference)
    expect(exitCode).toBe(0)
    const steps = stdout
      .trimEnd()
      .split('\n')
      .flatMap((line) => JSON.parse(line).steps)
    expect(steps.flatMap(({ notKept = [] }) => notKept).join()).toContain('owned')
    expect(notKept(stderr)).toContain('owned')
  })

  test('applies a layer to a directory of their own, and hears what of it was not kept', async () => {
    const at = join(home, 'apply')
    await mkdir(at)
    if (isRoot) await chown(at, nobody, nobody)
    const { stderr, exitCode } = await node.run('dist', ['apply', at], {
      through,
      env: { HOME: home },
      input: archive(...plain, ...special),
    })
    expect(exitCode).toBe(0)
    expect(notKept(stderr)).toEqual(expect.arrayContaining(['owned', 'device']))
    expect(await readlink(join(at, 'etc/link'))).toBe('name')
  })

  test('may not mount, and nothing is left of having tried', async () => {
    const at = join(home, 'mount')
    await mkdir(at)
    complaint(await asked('ctr', 'images', 'mount', reference, at), 'permission_denied')
    expect(await said('ctr', 'leases', 'ls', '-q')).toBe('')
    expect(await remains(node)).toEqual([])
  })
})
