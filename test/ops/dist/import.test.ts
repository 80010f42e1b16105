import { execFileSync } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test, vi } from 'vitest'
import { type Blob, type Image, json, makeImage, makeIndex, writeLayout } from '../../../ops/lab/images.ts'
import { type TarEntry, writeTar } from '../../../runtime/tar.ts'
import { complaint } from '../../support/complaint.ts'
import { begin, type RunningNode, startNode } from '../../support/node.ts'
import { remains } from '../../support/remains.ts'
import { snapshotTree } from '../../support/snapshot-tree.ts'
import { tempDirectory } from '../../support/temp.ts'
import { umociTree } from '../../support/umoci.ts'

// a machine that is busy starts processes slowly
vi.setConfig({ testTimeout: 60_000, hookTimeout: 60_000 })

const scope = new AsyncDisposableStack()
let node: RunningNode
let directory: string

beforeAll(async () => {
  node = scope.use(await startNode())
  directory = scope.use(await tempDirectory()).path
})
afterAll(() => scope.disposeAsync())

async function said(...args: string[]): Promise<string> {
  const { stdout, stderr, exitCode } = await node.run('dist', args)
  expect({ args, stderr, exitCode }).toEqual({ args, stderr: '', exitCode: 0 })
  return stdout.trimEnd()
}
const skopeo = (...args: string[]): string => execFileSync('skopeo', ['--insecure-policy', ...args], { encoding: 'utf8' })
const archive = async (entries: readonly TarEntry[]): Promise<Buffer> => Buffer.concat(await Array.fromAsync(writeTar(entries)))

const layout: TarEntry = { name: 'oci-layout', content: '{"imageLayoutVersion":"1.0.0"}' }
const nameOf = ({ descriptor }: Blob) => `blobs/${descriptor.digest.replace(':', '/')}`
const entryOf = (blob: Blob): TarEntry => ({ name: nameOf(blob), content: blob.bytes })
const blobsOf = ({ manifest, config, layers }: Image) => [manifest, config, ...layers]
const index = (blob: Blob, name?: string): TarEntry => ({
  name: 'index.json',
  content: JSON.stringify({
    schemaVersion: 2,
    manifests: [{ ...blob.descriptor, ...(name !== undefined && { annotations: { 'org.opencontainers.image.ref.name': name } }) }],
  }),
})
const tiny = (content: string) => makeImage({ layers: [[{ name: 'a', content }]] })

test('an archive of skopeo is imported, unpacked as umoci does it, and exported so that skopeo reads the same of it, the same bytes each time', async () => {
  const image = await makeImage({ layers: [[{ name: 'a', content: 'a' }], [{ name: 'random', content: randomBytes(1_000_000) }]] })
  const [made, from, back] = ['made', 'from.tar', 'back.tar'].map((name) => join(directory, name)) as [string, string, string]
  await writeLayout(made, 'it', image)
  skopeo('copy', '--quiet', `oci:${made}:it`, `oci-archive:${from}:mine/image:1`)

  const name = 'docker.io/mine/image:1'
  expect(await said('import', from)).toBe(`${name}\t${image.manifest.descriptor.digest}`)
  await said('unpack', name)
  expect(await snapshotTree(node, image)).toEqual(await umociTree(image))
  expect(JSON.parse(await said('import', '--json', from))).toMatchObject({ name, platform: { os: 'linux' } })

  await said('export', name, back)
  expect(skopeo('inspect', '--raw', `oci-archive:${back}:1`)).toBe(Buffer.from(image.manifest.bytes).toString())
  skopeo('copy', '--quiet', `oci-archive:${back}`, `dir:${join(directory, 'seen')}`)
  const { config, layers } = image
  for (const { descriptor, bytes } of [config, ...layers])
    expect((await readFile(join(directory, 'seen', descriptor.digest.slice('sha256:'.length)))).equals(bytes)).toBe(true)
  const again = join(directory, 'again.tar')
  await said('export', name, again)
  expect((await readFile(again)).equals(await readFile(back))).toBe(true)
  expect(await remains(node)).toEqual([])
})

test('what is exported of an image of several platforms is imported again, whole, and one of them is meant', async () => {
  const [amd64, arm64] = await Promise.all(
    ['amd64', 'arm64'].map((architecture) =>
      makeImage({ platform: { os: 'linux', architecture }, layers: [[{ name: architecture, content: architecture }]] }),
    ),
  )
  if (!amd64 || !arm64) throw new Error('there are two')
  const both = makeIndex([
    { platform: { os: 'linux', architecture: 'arm64' }, image: arm64 },
    { platform: { os: 'linux', architecture: 'amd64' }, image: amd64 },
  ])
  const entries = [layout, index(both.manifest, 'latest'), ...[both.manifest, ...blobsOf(amd64), ...blobsOf(arm64)].map(entryOf)]
  const input = await archive(entries)
  const { stdout } = await node.run('dist', ['import', '--json', '--platform', 'linux/arm64', '--name', 'both'], { input })
  expect(JSON.parse(stdout)).toMatchObject({ name: 'docker.io/library/both:latest', platform: { architecture: 'arm64' } })
  const { stdout: other } = await node.run('dist', ['import', '--name', 'both:2'], { input })
  expect(other).toBe(`docker.io/library/both:2\t${both.manifest.descriptor.digest}\n`)
  const out = join(directory, 'both.tar')
  await said('export', 'both', out)
  const listed = execFileSync('tar', ['tf', out], { encoding: 'utf8' }).trimEnd().split('\n')
  expect(new Set(listed)).toEqual(new Set(entries.map((entry) => entry.name)))
  complaint(await node.run('dist', ['import', '--platform', 'linux/s390x', '--name', 'both:3'], { input }), 'not_found')
})

test('an image has the name that is given, else the one the archive says; without any it is refused', async () => {
  const image = await tiny('named')
  const { descriptor } = image.manifest
  const of = (...annotations: Record<string, string>[]) =>
    archive([
      ...blobsOf(image).map(entryOf),
      layout,
      { name: 'manifest.json', content: '[]' },
      {
        name: 'index.json',
        content: JSON.stringify({ schemaVersion: 2, manifests: annotations.map((one) => ({ ...descriptor, annotations: one })) }),
      },
    ])
  const names = async (input: Uint8Array, ...args: string[]) => {
    const { stdout, stderr, exitCode } = await node.run('dist', ['import', ...args, '-'], { input })
    return exitCode === 0 ? stdout.split('\n').flatMap((line) => line.split('\t')[0] || []) : stderr
  }
  const docker = { 'io.containerd.image.name': 'docker.io/library/x:1', 'org.opencontainers.image.ref.name': '1' }
  expect(await names(await of(docker, { ...docker, 'io.containerd.image.name': 'docker.io/library/x:2' }))).toEqual([
    'docker.io/library/x:1',
    'docker.io/library/x:2',
  ])
  expect(await names(await of(docker), '--name', 'example.org/y')).toEqual(['example.org/y:1'])
  expect(await names(await of(docker), '--name', 'example.org/y:3')).toEqual(['example.org/y:3'])
  expect(await names(await of({}), '--name', 'z')).toEqual(['docker.io/library/z:latest'])
  expect(await names(await of({ 'org.opencontainers.image.ref.name': 'latest' }))).toMatch(/it does not say a name of sha256:/)
  expect(await names(await of(docker), '--name', `y@sha256:${'0'.repeat(64)}`)).toMatch(/is not sha256:/)
})

test('an archive that is hostile, or broken, is refused and leaves no image, and nothing of what is not what its name says', async () => {
  const image = await tiny('hostile')
  const large = await makeImage({ layers: [{ entries: [{ name: 'b', content: randomBytes(400_000) }], compression: 'none' }] })
  const wrong = await tiny('wrong')
  const [layer] = image.layers
  const [big] = large.layers
  if (!layer || !big) throw new Error('there is one')
  const all = blobsOf(image).map(entryOf)
  const named = index(image.manifest, 'hostile:1')
  const other = (blob: Blob): TarEntry => ({ name: nameOf(blob), content: Buffer.alloc(blob.bytes.length, 'x') })
  const whole = await archive([layout, named, ...all])
  const twoFaced = json(image.manifest.descriptor.mediaType, { ...JSON.parse(Buffer.from(image.manifest.bytes).toString()), manifests: [] })
  const cases: [code: Parameters<typeof complaint>[1], input: Uint8Array][] = [
    ['invalid_argument', whole.subarray(0, whole.length - 1100)],
    ['invalid_argument', await archive([layout, { name: 'index.json', content: '{"manifests":[{"digest":"../../x"}]}' }, ...all])],
    ['invalid_argument', await archive([layout, index(layer, 'hostile:1'), ...all])],
    ['data_loss', await archive([layout, index(wrong.manifest, 'hostile:1'), other(wrong.config), ...blobsOf(wrong).map(entryOf)])],
    ['data_loss', await archive([layout, index(large.manifest, 'hostile:1'), other(big), ...blobsOf(large).map(entryOf)])],
    ['data_loss', await archive([layout, index(twoFaced, 'hostile:1'), entryOf(twoFaced), ...all])],
    ['failed_precondition', await archive([layout, index(large.manifest, 'hostile:1'), entryOf(large.manifest), entryOf(large.config)])],
    ['failed_precondition', await archive([layout, index((await tiny('absent')).manifest, 'hostile:1')])],
  ]
  for (const [code, input] of cases) complaint(await node.run('dist', ['import'], { input }), code)
  complaint(await node.run('dist', ['import', join(directory, 'nothing')]), 'not_found')
  expect(await said('images')).not.toContain('hostile')
  expect((await said('active')).trim()).toBe('')
  await node.run('gantry', ['gc'])
  for (const { descriptor } of [layer, big, wrong.config]) complaint(await node.run('dist', ['path', descriptor.digest]), 'not_found')
  expect(await remains(node)).toEqual([])
})

test('an import that is given up goes on where it was', async () => {
  const image = await makeImage({ layers: [{ entries: [{ name: 'c', content: randomBytes(3_000_000) }], compression: 'none' }] })
  const whole = await archive([
    ...image.layers.map(entryOf),
    entryOf(image.config),
    entryOf(image.manifest),
    layout,
    index(image.manifest, 'half:1'),
  ])
  const { child, ran } = begin('dist', ['import'], { env: { GANTRY_ROOT: node.root } })
  child.stdin.write(whole.subarray(0, 2_000_000))
  await expect.poll(async () => (await node.run('dist', ['active', '--json'])).stdout, { timeout: 20_000 }).toMatch(/"offset":[1-9]/)
  child.kill('SIGINT')
  expect((await ran).exitCode).toBe(12)
  expect(await said('images')).not.toContain('half')
  await writeFile(join(directory, 'half.tar'), whole)
  expect(await said('import', join(directory, 'half.tar'))).toMatch(/^docker.io\/library\/half:1\t/)
  expect(await said('active')).toBe('')
})

test('an image of which something is gone is not exported', async () => {
  const image = await tiny('gone')
  const input = await archive([layout, index(image.manifest, 'gone:1'), ...blobsOf(image).map(entryOf)])
  expect(await node.run('dist', ['import'], { input })).toMatchObject({ stderr: '', exitCode: 0 })
  await said('delete', image.layers[0]?.descriptor.digest ?? '')
  const out = join(directory, 'gone.tar')
  complaint(await node.run('dist', ['export', 'gone:1', out]), 'failed_precondition')
  complaint(await node.run('dist', ['export', 'nobody', out]), 'not_found')
  await expect(readFile(out)).rejects.toThrow('ENOENT')
})
