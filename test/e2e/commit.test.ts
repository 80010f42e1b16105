import { execFileSync } from 'node:child_process'
import { copyFileSync, existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { gunzipSync } from 'node:zlib'
import { afterAll, beforeAll, expect, test, vi } from 'vitest'
import type { container } from '../../messages/container.ts'
import { busyboxImage } from '../../ops/lab/images.ts'
import { client } from '../../runtime/bus/client.ts'
import { readTar } from '../actors/unpack/compare/reading.ts'
import { complaint } from '../support/complaint.ts'
import { digestOf } from '../support/content.ts'
import { type HostileRegistry, startHostileRegistry } from '../support/hostile-registry.ts'
import { begin, type Program, type RunningNode, startNode } from '../support/node.ts'
import { serveImage } from '../support/served-image.ts'
import { tempDirectory } from '../support/temp.ts'

// a machine that is busy starts processes slowly
vi.setConfig({ testTimeout: 60_000 })

const scope = new AsyncDisposableStack()
let registry: HostileRegistry
let node: RunningNode
let reference: string

beforeAll(async () => {
  registry = scope.use(await startHostileRegistry())
  node = scope.use(await startNode())
  scope.defer(async () => {
    const ids = (await said('ctr', 'containers', 'ls')).split('\n').flatMap((line) => line.split('\t')[0] || [])
    if (ids.length > 0) await said('ctr', 'containers', 'rm', '--force', ...ids)
  })
  const config = { WorkingDir: '/home', Env: ['PATH=/bin', 'A=base'], Labels: { base: 'yes', 'gantry.mine': 'no' } }
  reference = serveImage(registry, 'busybox', await busyboxImage({ config }))
  expect(await node.run('dist', ['pull', reference])).toMatchObject({ exitCode: 0 })
}, 60_000)
afterAll(() => scope.disposeAsync())

/** What a command that must succeed prints. */
async function said(program: Program, ...args: string[]): Promise<string> {
  const { stdout, stderr, exitCode } = await node.run(program, args)
  expect({ args, stderr, exitCode }).toEqual({ args, stderr: '', exitCode: 0 })
  return stdout.trimEnd()
}
const script = (id: string, text: string) => node.run('ctr', ['run', '--id', id, reference, 'sh', '-c', text])
const fileOf = (digest: string): string => join(node.root, 'content/blobs', digest.replace(':', '/'))
const json = (digest: string) => JSON.parse(readFileSync(fileOf(digest), 'utf8'))

test('what a container changed is in the image made of it, and that can be run', async () => {
  await script('one', 'echo mine > /home/file; rm /bin/ls; mkdir /new; ln /home/file /new/linked')
  const digest = await said('ctr', 'commit', '-a', 'me', '-m', 'a file', '-c', 'ENV B=c', '-c', 'CMD ["cat","file"]', 'one', 'test/mine:1')
  expect(await node.run('ctr', ['run', '--rm', 'test/mine:1'])).toMatchObject({ exitCode: 0, stdout: 'mine\n' })
  expect((await node.run('ctr', ['run', '--rm', 'test/mine:1', 'sh', '-c', 'echo $A $B; test -e /bin/ls || echo gone'])).stdout).toBe(
    'base c\ngone\n',
  )
  const manifest = json(digest)
  const config = json(manifest.config.digest)
  expect(config).toMatchObject({
    author: 'me',
    config: { Cmd: ['cat', 'file'], WorkingDir: '/home', Env: ['PATH=/bin', 'A=base', 'B=c'], Labels: { base: 'yes' } },
    history: [{}, { author: 'me', comment: 'a file', created_by: expect.stringContaining('echo mine') }],
  })
  expect(config.config.Labels).toEqual({ base: 'yes' })
  const tar = gunzipSync(readFileSync(fileOf(manifest.layers.at(-1).digest)))
  expect(config.rootfs.diff_ids.at(-1)).toBe(digestOf(tar))
  expect((await said('ctr', 'leases', 'ls')).split('\n').filter((line) => line.includes('commit'))).toEqual([])
})

test('others can read what was made', async () => {
  await script('others', 'echo theirs > /home/file; rm -r /var')
  const digest = await said('ctr', 'commit', '--no-unpack', 'others', 'test/others')
  await using directory = await tempDirectory()
  const layout = join(directory.path, 'layout')
  mkdirSync(join(layout, 'blobs/sha256'), { recursive: true })
  const manifest = json(digest)
  for (const blob of [digest, manifest.config.digest, ...manifest.layers.map((layer: { digest: string }) => layer.digest)])
    copyFileSync(fileOf(blob), join(layout, 'blobs', blob.replace(':', '/')))
  writeFileSync(join(layout, 'oci-layout'), JSON.stringify({ imageLayoutVersion: '1.0.0' }))
  const annotations = { 'org.opencontainers.image.ref.name': 'it' }
  const target = { mediaType: manifest.mediaType, digest, size: readFileSync(fileOf(digest)).length, annotations }
  writeFileSync(join(layout, 'index.json'), JSON.stringify({ schemaVersion: 2, manifests: [target] }))
  const seen = JSON.parse(execFileSync('skopeo', ['inspect', `oci:${layout}:it`], { encoding: 'utf8' }))
  expect(seen.Layers).toEqual(manifest.layers.map((layer: { digest: string }) => layer.digest))
  const unpacked = join(directory.path, 'unpacked')
  execFileSync('umoci', ['raw', 'unpack', '--image', `${layout}:it`, unpacked], { stdio: 'pipe' })
  expect(readFileSync(join(unpacked, 'home/file'), 'utf8')).toBe('theirs\n')
  expect(existsSync(join(unpacked, 'var'))).toBe(false)
})

test('a running container is committed, and goes on', async () => {
  const running = begin(
    'ctr',
    ['run', '--rm', '--id', 'running', reference, 'sh', '-c', 'echo at work > /home/file; echo ready; read line; echo $line'],
    {
      env: { GANTRY_ROOT: node.root },
    },
  )
  await new Promise((resolve) => running.child.stdout.once('data', resolve))
  await said('ctr', 'commit', 'running', 'test/running')
  expect((await node.run('ctr', ['run', '--rm', 'test/running', 'cat', '/home/file'])).stdout).toBe('at work\n')
  running.child.stdin.end('still here\n')
  expect(await running.ran).toMatchObject({ exitCode: 0, stdout: expect.stringContaining('still here') })
})

test('the same container gives the same image, given a time', async () => {
  await script('twice', 'echo x > /home/file')
  const commit = (name: string) => said('ctr', 'commit', '--epoch', '1000000000', '--no-unpack', 'twice', name)
  const digest = await commit('test/first')
  expect(await commit('test/second')).toBe(digest)
  expect(json(json(digest).config.digest).created).toBe('2001-09-09T01:46:40.000Z')
})

test('a container is committed after its image has lost its name', async () => {
  await script('nameless', 'echo x > /home/file')
  await said('dist', 'rmi', reference)
  await said('gantry', 'gc')
  await said('ctr', 'commit', 'nameless', 'test/nameless')
  expect((await node.run('ctr', ['run', '--rm', 'test/nameless', 'cat', '/home/file'])).stdout).toBe('x\n')
  await said('dist', 'pull', reference)
})

test('an image made of an image made is right too, and holds what it needs when those are gone', async () => {
  await script('below', 'echo below > /home/below')
  await said('ctr', 'commit', 'below', 'test/below')
  await node.run('ctr', ['run', '--id', 'above', 'test/below', 'sh', '-c', 'echo above > /home/above'])
  await said('ctr', 'commit', 'above', 'test/above')
  await said('ctr', 'containers', 'rm', 'below', 'above')
  await said('dist', 'rmi', 'test/below')
  await said('gantry', 'gc')
  expect((await node.run('ctr', ['run', '--rm', 'test/above', 'sh', '-c', 'cat /home/below /home/above'])).stdout).toBe('below\nabove\n')
})

test('a layer is written to a pipe, to a file, or kept, and is the same in all of them', async () => {
  await script('layer', 'echo x > /home/file; rm /bin/ls')
  const plain = await node.run('dist', ['diff', 'layer', '--compression', 'none'])
  const { stdout } = await node.run('ctr', ['snapshots', 'diff', 'layer', '--compression', 'none'])
  expect(plain).toMatchObject({ exitCode: 0, stderr: '', stdout })
  const told = readTar(Buffer.from(stdout)).map(({ name }) => name)
  expect(told).toEqual(expect.arrayContaining(['bin/.wh.ls', 'home/', 'home/file']))
  await using directory = await tempDirectory()
  const path = join(directory.path, 'layer.tar.gz')
  expect(await said('dist', 'diff', 'layer', '-o', path)).toBe('')
  expect(gunzipSync(readFileSync(path)).toString()).toBe(stdout)
  const descriptor = JSON.parse(await said('dist', 'diff', 'layer', '--keep', '--label', 'a=b'))
  expect(descriptor).toEqual({
    mediaType: 'application/vnd.oci.image.layer.v1.tar+gzip',
    digest: digestOf(readFileSync(path)),
    size: readFileSync(path).length,
  })
  await said('gantry', 'gc')
  expect(await said('dist', 'label', descriptor.digest)).toContain('a=b')
  await said('dist', 'delete', descriptor.digest)
})

test('a commit gives up when told to, and leaves nothing', async () => {
  await script('large', 'head -c 60000000 /dev/urandom > /home/file')
  await using bus = await node.connect()
  const over = Promise.withResolvers<void>()
  let ended = 0
  await using removed = bus.subscribe(`gantry.event.${node.name}.lease.removed`, () => void (++ended === 2 && over.resolve()))
  await removed.ready
  const given = new AbortController()
  const commits = client<typeof container>(bus, { node: node.name, actor: 'container' })
  await expect(async () => {
    for await (const _ of commits.commit({ id: 'large', name: 'test/large' }, { signal: given.signal })) given.abort(new Error('enough'))
  }).rejects.toThrow()
  // that of what was compared, and that of the commit
  await over.promise
  expect(await said('ctr', 'leases', 'ls')).toBe('')
  expect(await said('dist', 'active')).toBe('')
  expect(await said('dist', 'images')).not.toContain('test/large')
  await said('ctr', 'commit', '--no-unpack', 'large', 'test/large')
})

test('what cannot be is refused: no container, no snapshot, no time, no change', async () => {
  complaint(await node.run('ctr', ['commit', 'nobody', 'test/x']), 'not_found')
  complaint(await node.run('dist', ['diff', 'nobody']), 'not_found')
  await script('refused', 'true')
  complaint(await node.run('ctr', ['commit', 'refused', 'NOT A NAME']), 'invalid_argument')
  complaint(await node.run('ctr', ['commit', '--epoch', 'noon', 'refused', 'test/x']), 'invalid_argument')
  complaint(await node.run('ctr', ['commit', 'refused', 'test/x', '-c', 'RUN rm']), 'invalid_argument')
  complaint(await node.run('ctr', ['commit', '--lease', 'none', 'refused', 'test/x']), 'not_found')
  complaint(await node.run('dist', ['diff', 'refused'], { env: { SOURCE_DATE_EPOCH: 'noon' } }), 'invalid_argument')
  complaint(await node.run('dist', ['diff', 'refused', '-o', '/no/such/place']), 'not_found')
})
