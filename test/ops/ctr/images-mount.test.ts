import { mkdir, readdir, readFile, symlink, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test, vi } from 'vitest'
import { chainIds } from '../../../messages/words/index.ts'
import { here, makeImage, makeIndex, pushImage } from '../../../ops/lab/images.ts'
import { startRegistry } from '../../../ops/lab/registry.ts'
import { mountAll, mountedUnder, unmount } from '../../../runtime/mounts.ts'
import { complaint } from '../../support/complaint.ts'
import { type RunningNode, run, startNode } from '../../support/node.ts'
import { tempDirectory } from '../../support/temp.ts'

// a machine that is busy starts processes slowly
vi.setConfig({ testTimeout: 60_000 })

const scope = new AsyncDisposableStack()
let directory: { path: string }
let node: RunningNode
let reference: string
let packed: string
let chain: string

beforeAll(async () => {
  const registry = scope.use(await startRegistry())
  directory = scope.use(await tempDirectory())
  scope.defer(async () => {
    for (const { at } of await mountedUnder(directory.path)) await unmount(at)
  })
  node = scope.use(await startNode())
  const [ours, other] = await Promise.all(
    [here, s390x].map((platform) => makeImage({ layers: [[{ name: 'of', content: platform.architecture }]], platform })),
  )
  if (!ours || !other) throw new Error('two were made')
  const index = makeIndex([
    { platform: s390x, image: other },
    { platform: here, image: ours },
  ])
  chain = chainIds(ours.layers.map(({ diffId }) => diffId)).at(-1) ?? ''
  reference = await pushImage(registry, 'both:latest', index)
  packed = await pushImage(registry, 'packed:latest', await makeImage({ layers: [[{ name: 'packed' }]] }))
  for (const driver of ['overlay', 'native']) await succeeding('dist', 'pull', '--driver', driver, reference)
  await succeeding('dist', 'fetch', packed)
})
afterAll(() => scope.disposeAsync())

const s390x = { os: 'linux', architecture: 's390x' }

async function succeeding(program: 'dist' | 'ctr' | 'gantry', ...args: string[]): Promise<string> {
  const { stdout, stderr, exitCode } = await node.run(program, args)
  expect({ args, stderr, exitCode }).toEqual({ args, stderr: '', exitCode: 0 })
  return stdout.trimEnd()
}
const images = (...args: string[]): Promise<string> => succeeding('ctr', 'images', ...args)
const failing = (...args: string[]) => node.run('ctr', ['images', ...args])

async function target(name: string): Promise<string> {
  const path = join(directory.path, name)
  await mkdir(path)
  return path
}

/** What there is of mounts, but for the image itself. */
const left = async () => ({
  mounts: (await mountedUnder(directory.path)).map(({ at }) => at),
  snapshots: (
    await Promise.all(
      ['overlay', 'native'].map((driver) => succeeding('ctr', 'snapshots', 'ls', '-q', '--filter', 'kind!=committed', '--driver', driver)),
    )
  ).join(''),
  leases: await succeeding('ctr', 'leases', 'ls', '-q'),
})
const nothing = { mounts: [], snapshots: '', leases: '' }

test('an image is looked at, and nothing of it is left', async () => {
  const at = await target('look')
  expect(await images('mount', reference, at)).toBe(at)
  expect(await readFile(join(at, 'of'), 'utf8')).toBe(here.architecture)
  await expect(writeFile(join(at, 'new'), '')).rejects.toMatchObject({ code: 'EROFS' })
  await succeeding('gantry', 'gc')
  expect(await succeeding('ctr', 'snapshots', 'ls', '-q', '--filter', 'kind==view')).toBe(at)
  // for ever: it has no time at which it ends
  expect(JSON.parse(await succeeding('ctr', 'leases', 'ls', '--json'))).toEqual(
    expect.not.objectContaining({ expiresAt: expect.anything() }),
  )
  complaint(await failing('mount', reference, at), 'failed_precondition')
  expect(await images('unmount', '--rm', at)).toBe(at)
  expect(await readdir(at)).toEqual([])
  expect(await left()).toEqual(nothing)
})

for (const driver of ['overlay', 'native']) {
  test(`what is written to one of ${driver} is kept until it is removed, and never reaches the image`, async () => {
    const at = await target(`write-${driver}`)
    const mount = ['mount', '--rw', '--driver', driver, reference, at]
    await images(...mount)
    await writeFile(join(at, 'new'), 'new')
    expect(await images('unmount', at)).toBe(at)
    expect(await readdir(at)).toEqual([])
    complaint(await failing('unmount', at), 'not_found')
    complaint(await failing('mount', '--driver', driver, reference, at), 'already_exists')

    await images(...mount)
    expect(await readFile(join(at, 'new'), 'utf8')).toBe('new')
    await images('umount', '--rm', at)
    await images(...mount)
    expect((await readdir(at)).toSorted()).toEqual(['of'])
    await images('unmount', '--rm', at)
    expect(await left()).toEqual(nothing)
  })
}

test('an image is looked at for another platform than that of the node once it was brought for that', async () => {
  const at = await target('platform')
  await succeeding('gantry', 'gc')
  expect(complaint(await failing('mount', '--platform', 'linux/s390x', reference, at), 'not_found')).toContain(
    'dist pull --platform linux/s390x',
  )
  await succeeding('dist', 'pull', '--platform', 'linux/s390x', reference)
  await images('mount', '--platform', 'linux/s390x', reference, at)
  expect(await readFile(join(at, 'of'), 'utf8')).toBe('s390x')
  await images('unmount', '--rm', at)
  await succeeding('dist', 'pull', reference)
  complaint(await failing('mount', '--platform', 'linux/riscv64', reference, at), 'not_found')
  complaint(await failing('mount', '--platform', 'nonsense', reference, at), 'invalid_argument')
  expect(await left()).toEqual(nothing)
})

test('a target is the directory it leads to, in JSON too, and printed for what comes next in a pipe', async () => {
  const at = await target('real')
  await symlink(at, join(directory.path, 'link'))
  const mounted = await images('mount', '--json', reference, join(directory.path, 'link'))
  expect(JSON.parse(mounted)).toMatchObject({ target: at, driver: 'overlay', mounts: [{ type: 'bind' }] })
  await images('unmount', '--rm', join(directory.path, 'link'))
  expect(await left()).toEqual(nothing)
})

test('what cannot be mounted leaves no snapshot, no lease and no mount', async () => {
  const at = await target('fails')
  complaint(await failing('mount', 'nobody', at), 'not_found')
  complaint(await failing('mount', reference, join(directory.path, 'missing')), 'not_found')
  complaint(await failing('mount', reference, join(node.root, 'node.json')), 'failed_precondition')
  expect(complaint(await failing('mount', packed, at), 'failed_precondition')).toContain(`dist unpack ${packed}`)
  complaint(await failing('mount', '--driver', 'none', reference, at), 'unimplemented')
  // may ask the node, may not mount
  const unable = await run('ctr', ['images', 'mount', reference, at], { env: { GANTRY_ROOT: node.root }, through: withoutMounts })
  complaint(unable, 'permission_denied')
  expect(await left()).toEqual(nothing)
})

/** Root without the right to mount. */
const withoutMounts = ['setpriv', '--bounding-set', '-sys_admin', '--']

test('what somebody else mounted is neither covered nor taken away', async () => {
  const [at, source] = [await target('theirs'), await target('source')]
  await using _theirs = await mountAll([{ type: 'bind', source, options: ['rbind'] }], at)
  complaint(await failing('mount', reference, at), 'failed_precondition')
  complaint(await failing('unmount', '--rm', at), 'not_found')
  expect((await mountedUnder(at)).length).toBe(1)
})

test('what lies over an image is not taken away with it', async () => {
  const [at, source] = [await target('under'), await target('over')]
  await images('mount', reference, at)
  {
    await using _over = await mountAll([{ type: 'bind', source, options: ['rbind'] }], at)
    complaint(await failing('unmount', '--rm', at), 'failed_precondition')
  }
  await images('unmount', '--rm', at)
  expect(await left()).toEqual(nothing)
})

test('what lost its snapshot, or its mount, is still let go of', async () => {
  const at = await target('lost')
  await images('mount', reference, at)
  await unmount(at)
  await images('unmount', '--rm', at)
  expect(await left()).toEqual(nothing)

  await images('mount', reference, at)
  await succeeding('ctr', 'snapshots', 'rm', at)
  await images('unmount', '--rm', at)
  expect(await left()).toEqual(nothing)
})

test('a node that is not known to be on this machine is not asked', async () => {
  const at = await target('elsewhere')
  const { url } = JSON.parse(await readFile(join(node.root, 'node.json'), 'utf8')) as { url: string }
  const { user, password } = JSON.parse(await readFile(join(node.root, 'nats', 'credentials'), 'utf8')) as Record<string, string>
  const address = url.replace('://', `://${user}:${password}@`)
  complaint(await run('ctr', ['images', 'mount', reference, at, '--nats', address, '--node', node.name]), 'failed_precondition')
})

test('the snapshot a mount stands on is not collected meanwhile, though its image is forgotten', async () => {
  const at = await target('forgotten')
  await images('mount', reference, at)
  await succeeding('dist', 'rmi', '--sync', reference)
  expect(await succeeding('ctr', 'snapshots', 'ls', '-q')).toContain(chain)
  await images('unmount', '--rm', at)
  await succeeding('gantry', 'gc')
  expect(await succeeding('ctr', 'snapshots', 'ls', '-q')).not.toContain(chain)
})
