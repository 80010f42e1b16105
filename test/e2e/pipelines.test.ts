/** What people put together of our commands and those of the system, as the shell runs it. */
import { execFile } from 'node:child_process'
import { afterAll, beforeAll, beforeEach, expect, test, vi } from 'vitest'
import { type Image, makeImage, pushImage } from '../../ops/lab/images.ts'
import { type Registry, startRegistry } from '../../ops/lab/registry.ts'
import { bytes, startHostileRegistry, status } from '../support/hostile-registry.ts'
import { archive, file } from '../support/layers.ts'
import { command, type Ran, type RunningNode, startNode } from '../support/node.ts'
import { remains } from '../support/remains.ts'
import { layerOf } from '../support/rich-image.ts'
import { blobPath, held, serveImage } from '../support/served-image.ts'

// each runs dozens of processes, as people do
vi.setConfig({ testTimeout: 120_000 })

const scope = new AsyncDisposableStack()
let registry: Registry
let node: RunningNode

beforeAll(async () => {
  registry = scope.use(await startRegistry())
  node = scope.use(await startNode())
})
afterAll(() => scope.disposeAsync())
beforeEach(async () => void (await shell('dist list -q | xargs -r dist delete')))

/** Run a line of shell, our commands among those it finds; `$REF` and the like are given. */
function shell(line: string, env: Readonly<Record<string, string>> = {}): Promise<Ran> {
  const path = [command('dist').replace(/\/dist$/, ''), process.env['PATH']].join(':')
  return new Promise((resolve) => {
    const options = { env: { ...process.env, PATH: path, GANTRY_ROOT: node.root, ...env } }
    execFile('bash', ['-o', 'pipefail', '-c', line], options, (error, stdout, stderr) =>
      resolve({ stdout, stderr, exitCode: error === null ? 0 : Number(error.code) }),
    )
  })
}

const words = (text: string): string[] => text.trim().split('\n').filter(Boolean)

/** Layers, the last of them longer than what is verified before it is sent. */
async function imageOf(count: number): Promise<Image> {
  const sizes = Array.from({ length: count }, (_, at) => (at < count - 1 ? at * 100_000 + 100 : 6_000_000))
  return await makeImage({ layers: sizes.map((size, at) => layerOf(archive(file(`f${at}`, Buffer.alloc(size, `layer ${at}`))), 'none')) })
}

/** Each layer of a manifest fetched and ingested, ten at a time. */
const bringLayers = `
  dist fetch-object "$REF" |
  jq -r --arg r "\${REF%:*}" '.layers[] | "dist fetch-object \\($r)@\\(.digest) | dist ingest --expected-digest \\(.digest) --expected-size \\(.size) \\($r)@\\(.digest)"' |
  xargs -d '\\n' -P10 -n1 sh -c
`

test('the layers of an image are fetched and ingested, ten at a time, and the second time nothing is downloaded', async () => {
  const image = await imageOf(10)
  const digests = image.layers.map(({ descriptor }) => descriptor.digest).sort()
  await using counting = await startHostileRegistry()
  const REF = serveImage(counting, 'library/ten', image)
  expect(await shell(bringLayers, { REF })).toEqual({ stdout: '', stderr: '', exitCode: 0 })
  expect(words((await shell('dist list -q')).stdout).sort()).toEqual(digests)
  const blobsAsked = () => counting.seen.filter(({ path }) => path.includes('/blobs/')).length
  const first = blobsAsked()
  expect(first).toBeGreaterThanOrEqual(digests.length)

  const again = await shell(bringLayers, { REF })
  expect(again).toMatchObject({ stdout: '', exitCode: 0 })
  expect(words(again.stderr).sort()).toEqual(digests.map((digest) => `dist: ${digest} is content already`))
  expect(blobsAsked()).toBe(first)
  expect(await remains(node)).toEqual([])
})

test('from the real registry, every blob is what it was pushed as', async () => {
  const image = await imageOf(3)
  const REF = await pushImage(registry, 'library/ten:latest', image)
  expect(await shell(bringLayers, { REF })).toEqual({ stdout: '', stderr: '', exitCode: 0 })
  const hashed = await shell('dist list -q | xargs dist path -q | xargs sha256sum | cut -d" " -f1 | sed s/^/sha256:/')
  expect(words(hashed.stdout).sort()).toEqual(image.layers.map(({ descriptor }) => descriptor.digest).sort())
  expect(await shell('dist verify')).toMatchObject({ exitCode: 0, stderr: '' })
})

test('what is on its way can be watched', async () => {
  const image = await imageOf(3)
  await using slow = await startHostileRegistry()
  const REF = serveImage(slow, 'library/slow', image)
  const go = Promise.withResolvers<void>()
  const { descriptor, bytes: content } = image.layers[2] ?? image.config
  slow.on(blobPath('library/slow', descriptor.digest), bytes(content), held(content, { before: 2_000_000, until: go.promise }))
  const bringing = shell(bringLayers, { REF })
  const reference = `${slow.host}/library/slow@${descriptor.digest}`
  // it ends as soon as what it shows changes, and the blob is the one that pauses
  const line = `watch -n 0.2 -g -t 'dist active | grep -c "$WANTED"; true' >/dev/null; dist active --json`
  const watching = shell(line, { WANTED: reference, TERM: 'xterm' })
  await expect
    .poll(async () => (await shell('dist active')).stdout.split('\n').map((one) => one.split('\t').slice(0, 2)), { timeout: 20_000 })
    .toEqual([[reference, '2000000'], ['']])
  go.resolve()
  expect(await bringing).toEqual({ stdout: '', stderr: '', exitCode: 0 })
  expect(await watching).toMatchObject({ exitCode: 0 })
  expect(await shell('dist active')).toEqual({ stdout: '', stderr: '', exitCode: 0 })
})

test('a registry that goes away in the middle leaves what came, and the next run goes on with it', async () => {
  const image = await imageOf(3)
  await using failing = await startHostileRegistry()
  const REF = serveImage(failing, 'library/cut', image)
  const { descriptor, bytes: content } = image.layers[2] ?? image.config
  const path = blobPath('library/cut', descriptor.digest)
  failing.on(path, bytes(content), bytes(content, { cutAfter: 2_000_000 }), status(404))
  expect(await shell(bringLayers, { REF })).toMatchObject({ exitCode: 123, stderr: expect.stringContaining('standard input ended after') })
  const left = await shell('dist active')
  expect(words(left.stdout).map((one) => one.split('\t')[1])).toEqual(['2000000'])
  expect(words((await shell('dist list -q')).stdout)).toHaveLength(2)

  failing.on(path, bytes(content))
  const { exitCode, stderr } = await shell(bringLayers, { REF })
  expect({ exitCode, lines: words(stderr).length }).toEqual({ exitCode: 0, lines: 2 })
  expect(words((await shell('dist list -q')).stdout)).toHaveLength(3)
})

test('everything in the store is deleted by its list', async () => {
  const REF = await pushImage(registry, 'library/gone:latest', await imageOf(3))
  expect(await shell(bringLayers, { REF })).toMatchObject({ exitCode: 0 })
  const before = words((await shell('dist list -q')).stdout)
  expect(before).toHaveLength(3)
  const { stdout, stderr, exitCode } = await shell('dist list -q | xargs dist delete')
  expect({ deleted: words(stdout), stderr, exitCode }).toEqual({ deleted: before, stderr: '', exitCode: 0 })
  expect((await shell('dist list -q')).stdout).toBe('')
})

test('who leaves a pipe early is no failure of ours that anybody hears of', async () => {
  const REF = await pushImage(registry, 'library/early:latest', await imageOf(3))
  await shell(bringLayers, { REF })
  expect(await shell('set +o pipefail; dist list | head -n1 | wc -l')).toEqual({ stdout: '1\n', stderr: '', exitCode: 0 })
  expect(await shell('set +o pipefail; dist fetch-object "$REF" | true', { REF })).toMatchObject({ stdout: '', stderr: '', exitCode: 0 })
})
