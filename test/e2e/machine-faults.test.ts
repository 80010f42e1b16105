import { randomBytes } from 'node:crypto'
import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import type { ingest } from '../../messages/ingest.ts'
import { busyboxImage, type Image, makeImage } from '../../ops/lab/images.ts'
import { client } from '../../runtime/bus/client.ts'
import { mountAll } from '../../runtime/mounts.ts'
import { complaint } from '../support/complaint.ts'
import { type HostileRegistry, startHostileRegistry } from '../support/hostile-registry.ts'
import { archive, file } from '../support/layers.ts'
import { type RunningNode, run, startNode } from '../support/node.ts'
import { remains, remainsOf } from '../support/remains.ts'
import { layerOf } from '../support/rich-image.ts'
import { serveImage } from '../support/served-image.ts'
import { tempDirectory } from '../support/temp.ts'

const scope = new AsyncDisposableStack()
let registry: HostileRegistry
let busybox: Image

beforeAll(async () => {
  registry = scope.use(await startHostileRegistry())
  busybox = await busyboxImage()
})
afterAll(() => scope.disposeAsync())

const places = [
  { what: 'what is downloaded', place: 'content', entry: () => file('large', randomBytes(24 << 20)) },
  { what: 'what is unpacked', place: 'snapshots', entry: () => file('large', Buffer.alloc(24 << 20, 'x'.repeat(99))) },
  { what: 'everything a node has', place: '.', size: 48, entry: () => file('large', randomBytes(64 << 20)) },
]
for (const { what, place, entry, size = 16 } of places) {
  test(`a disk that is full of ${what} is said to be so; what fits still comes`, async () => {
    await using directory = await tempDirectory()
    const full = join(directory.path, place)
    await mkdir(full, { recursive: true })
    await using _small = await mountAll([{ type: 'tmpfs', source: 'tmpfs', options: [`size=${size}m`] }], full)
    {
      await using node = await startNode({ root: directory.path })
      const large = await makeImage({ layers: [layerOf(archive(entry()))] })
      const said = complaint(await node.run('dist', ['pull', serveImage(registry, 'large', large)]), 'resource_exhausted')
      expect(said).toMatch(/no space left/i)
      expect(await remains(node, { partial: true })).toEqual([`mount ${full}`])
      await abandon(node)
      expect(await node.run('dist', ['pull', serveImage(registry, 'small', busybox)])).toMatchObject({ exitCode: 0, stderr: '' })
    }
    expect(await remainsOf(directory.path)).toEqual([`mount ${full}`])
  })
}

test('a user who may not mount is told so where it takes that; images come and are unpacked all the same', async () => {
  await using node = await startNode({ through: ['unshare', '--user', '--map-root-user'] })
  const reference = serveImage(registry, 'unmounted', busybox)
  for (const driver of ['overlay', 'btrfs']) {
    complaint(await node.run('dist', ['pull', '--driver', driver, reference]), driver === 'overlay' ? 'permission_denied' : undefined)
    expect(await remains(node)).toEqual([])
  }
  for (const driver of [[], ['--driver', 'native']])
    expect(await node.run('dist', ['pull', ...driver, reference])).toMatchObject({ exitCode: 0, stderr: '' })
  complaint(await node.run('ctr', ['run', '--rm', '--id', 'one', reference, 'true']), 'permission_denied')
  expect(await remains(node)).toEqual([])
  expect((await node.run('ctr', ['containers', 'ls'])).stdout).toBe('')
})

const missing = [
  { what: 'no OCI runtime', programs: ['crun', 'runc'], says: /no OCI runtime/ },
  { what: 'no conmon', programs: ['conmon'], says: /conmon/ },
]
for (const { what, programs, says } of missing) {
  test(`a machine with ${what} says so, and what to install`, async () => {
    await using node = await startNode({ through: without(programs) })
    const reference = serveImage(registry, 'whole', busybox)
    expect(await node.run('dist', ['pull', reference])).toMatchObject({ exitCode: 0, stderr: '' })
    const said = complaint(await node.run('ctr', ['run', '--rm', '--id', 'one', reference, 'true']), 'unimplemented')
    expect(said).toMatch(says)
    expect(said).toContain('apt-get install')
    expect((await node.run('ctr', ['tasks', 'ls'])).stdout).toBe('')
    expect((await node.run('ctr', ['containers', 'ls'])).stdout).toBe('')
    expect(await remains(node)).toEqual([])
  })
}

test('a runtime that is set and is not there is named', async () => {
  await using node = await startNode({ args: ['--set', 'exec.runtime=/nowhere/crun'] })
  const reference = serveImage(registry, 'whole', busybox)
  await node.run('dist', ['pull', reference])
  expect(complaint(await node.run('ctr', ['run', '--rm', '--id', 'one', reference, 'true']), 'unimplemented')).toContain('/nowhere/crun')
  expect((await node.run('ctr', ['containers', 'ls'])).stdout).toBe('')
  expect(await remains(node)).toEqual([])
})

test('a machine without nats-server says so, and what to install', async () => {
  await using root = await tempDirectory()
  const failed = startNode({ root: root.path, through: without(['nats-server']) })
  await expect(failed).rejects.toThrow(/ended with 5: gantry: start nats-server: not found; install it/)
  expect(await remainsOf(root.path)).toEqual([])
})

test('where no node runs, or does not run any more, each command says so, and how to start one', async () => {
  await using root = await tempDirectory()
  const commands = [
    ['dist', 'pull', '127.0.0.1:1/x:latest'],
    ['dist', 'images'],
    ['ctr', 'run', '127.0.0.1:1/x:latest'],
    ['ctr', 'tasks', 'ls'],
  ] as const
  const all = async () => {
    for (const [program, ...words] of commands) {
      const said = complaint(await run(program, words, { env: { GANTRY_ROOT: root.path } }), 'unavailable')
      expect(said).toContain(root.path)
      expect(said).toContain('gantry up')
    }
  }
  await all()
  const node = await startNode({ root: root.path })
  await node.kill()
  await all()
  expect(await remainsOf(root.path)).toEqual([])
})

test('NATS that cannot be reached is named, by commands and by a node', async () => {
  const nats = 'nats://127.0.0.1:1'
  expect(complaint(await run('dist', ['images', '--nats', nats, '--node', 'n1']), 'unavailable')).toContain('127.0.0.1:1')
  await using root = await tempDirectory()
  expect(complaint(await run('gantry', ['up', '--nats', nats, '--root', root.path, '--node', 'n1']), 'unavailable')).toContain(
    '127.0.0.1:1',
  )
  expect(await remainsOf(root.path)).toEqual([])
})

test('a second node on a root leaves the first alone', async () => {
  await using node = await startNode()
  expect(complaint(await run('gantry', ['up', '--root', node.root, '--node', 'n2']), 'failed_precondition')).toMatch(/node n1, pid \d+/)
  expect(complaint(await run('dist', ['images', '--embedded', '--root', node.root]), 'failed_precondition')).toContain(node.root)
  expect((await node.run('dist', ['images'])).exitCode).toBe(0)
  expect(await remains(node)).toEqual([])
})

/** Run on a machine that lacks some programs: in a mount namespace where something that cannot be run lies over them. */
function without(programs: readonly string[]): string[] {
  const hide = programs.map((program) => `for p in $(which -a ${program}); do mount --bind /dev/null $p; done`).join('; ')
  return ['unshare', '--mount', 'sh', '-c', `PATH=$PATH:/usr/sbin:/sbin; ${hide}; exec "$@"`, 'sh']
}

/** Throw away what was left to be gone on with. */
async function abandon(node: RunningNode): Promise<void> {
  await using bus = await node.connect()
  const ingests = client<typeof ingest>(bus, { node: node.name, actor: 'ingest' })
  for (const { reference } of (await ingests.list({})).ingests) await ingests.abort({ reference })
}
