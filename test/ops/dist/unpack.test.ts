import { afterAll, beforeAll, expect, test, vi } from 'vitest'
import { makeImage } from '../../../ops/lab/images.ts'
import { complaint } from '../../support/complaint.ts'
import { type HostileRegistry, startHostileRegistry } from '../../support/hostile-registry.ts'
import { type RunningNode, startNode } from '../../support/node.ts'
import { remains } from '../../support/remains.ts'
import { serveImage } from '../../support/served-image.ts'
import { snapshotTree } from '../../support/snapshot-tree.ts'

// a machine that is busy starts processes slowly
vi.setConfig({ testTimeout: 60_000 })

const scope = new AsyncDisposableStack()
let registry: HostileRegistry
let node: RunningNode

beforeAll(async () => {
  registry = scope.use(await startHostileRegistry())
  node = scope.use(await startNode())
})
afterAll(() => scope.disposeAsync())

async function said(program: 'dist' | 'ctr', ...args: string[]): Promise<string> {
  const { stdout, stderr, exitCode } = await node.run(program, args)
  expect({ args, stderr, exitCode }).toEqual({ args, stderr: '', exitCode: 0 })
  return stdout.trimEnd()
}

test('an image that is here is unpacked for each driver, with no registry asked, and is shown as it comes along', async () => {
  const image = await makeImage({ layers: [[{ name: 'a', content: 'a' }], [{ name: 'b', content: 'bb' }]] })
  const reference = serveImage(registry, 'unpacked', image)
  await said('dist', 'fetch', reference)
  const before = registry.seen.length
  for (const driver of ['overlay', 'native']) {
    const lines = (await said('dist', 'unpack', '--driver', driver, reference)).split('\n')
    for (const { descriptor } of image.layers) expect(lines).toContain(`done\tlayer\t${descriptor.digest}\t${descriptor.size}`)
    // what was here already was not brought: it counts neither for the total nor for the rate
    expect(lines.at(-1)).toMatch(/^elapsed .* total 0 B {3}0 B\/s {3}unpacked 3 B, 2 entries$/)
    expect([...(await snapshotTree(node, image, { driver })).keys()].toSorted()).toEqual(['.', 'a', 'b'])
  }
  expect(await said('dist', 'unpack', reference)).toBe(`exists\timage\t${image.manifest.descriptor.digest}\t${reference}`)
  expect(registry.seen.length).toBe(before)
  expect(await remains(node)).toEqual([])
})

test('a pull of what is here already does nothing, and says so', async () => {
  const image = await makeImage({ layers: [[{ name: 'c', content: 'c' }]] })
  const reference = serveImage(registry, 'again', image)
  expect(await said('dist', 'pull', reference)).toMatch(/^done\tmanifest\t(.*\n)*elapsed /)
  expect(await said('dist', 'pull', reference)).toBe(`exists\timage\t${image.manifest.descriptor.digest}\t${reference}`)
  const told = (await said('dist', 'pull', '--json', reference)).split('\n').map((line) => JSON.parse(line))
  expect(told.at(-1)).toMatchObject({ state: 'done', digest: image.manifest.descriptor.digest })
})

test('what is not here, or not whole, is not unpacked, and nothing is left', async () => {
  complaint(await node.run('dist', ['unpack', 'nobody']), 'not_found')
  complaint(await node.run('dist', ['unpack', 'a::b']), 'invalid_argument')
  const image = await makeImage({ layers: [[{ name: 'd', content: 'd' }]] })
  const reference = serveImage(registry, 'holed', image)
  await said('dist', 'fetch', reference)
  complaint(await node.run('dist', ['unpack', '--driver', 'none', reference]), 'unimplemented')
  const [layer] = image.layers
  await said('dist', 'delete', layer?.descriptor.digest ?? '')
  expect(complaint(await node.run('dist', ['unpack', reference]), 'failed_precondition')).toContain(layer?.descriptor.digest)
  expect(await remains(node)).toEqual([])
})

test('a ticket is printed for who does not wait', async () => {
  const image = await makeImage({ layers: [[{ name: 'e', content: 'e' }]] })
  const reference = serveImage(registry, 'detached', image)
  await said('dist', 'fetch', reference)
  expect(await said('dist', 'unpack', '--detach', reference)).toMatch(/^\S+$/)
  await expect.poll(() => said('dist', 'unpack', reference), { timeout: 20_000 }).toMatch(/^exists\timage\t/)
})
