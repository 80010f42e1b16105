import { afterAll, beforeAll, expect, test } from 'vitest'
import { here, type Image, makeImage, makeIndex, pushImage } from '../../ops/lab/images.ts'
import { type Registry, startRegistry } from '../../ops/lab/registry.ts'
import { treeDifference } from '../support/file-tree.ts'
import { archive, directory, file, symlink } from '../support/layers.ts'
import { type RunningNode, startNode } from '../support/node.ts'
import { remains } from '../support/remains.ts'
import { layerOf, richImage } from '../support/rich-image.ts'
import { snapshotTree } from '../support/snapshot-tree.ts'
import { umociTree } from '../support/umoci.ts'

const scope = new AsyncDisposableStack()
let registry: Registry
let node: RunningNode

beforeAll(async () => {
  registry = scope.use(await startRegistry())
  node = scope.use(await startNode())
})
afterAll(() => scope.disposeAsync())

const drivers = ['overlay', 'native']

for (const driver of drivers) {
  test(`everything a layer can say comes out of ${driver} as umoci has it`, async () => {
    const { image, plain } = await richImage()
    await pull(await pushImage(registry, `rich-${driver}:latest`, image), driver)
    expect(treeDifference(await umociTree(plain), await snapshotTree(node, image, { driver }))).toEqual([])
    expect(await remains(node)).toEqual([])
  })
}

test('sixty layers, each changing what is below, come out as umoci has them', async () => {
  const layers = Array.from({ length: 60 }, (_, at) =>
    layerOf(
      archive(
        directory('shared/', { mtime: 1_000_000 + at }),
        file(`shared/${at}`, `layer ${at}`),
        file('shared/last', String(at), { mode: at % 2 ? 0o600 : 0o644 }),
        ...(at % 3 === 2 ? [file(`shared/.wh.${at - 1}`)] : []),
        symlink(String(at), 'latest'),
      ),
    ),
  )
  await comesOutAsUmociHasIt(await makeImage({ layers }), 'sixty:latest')
})

test('three thousand small files come out as umoci has them', async () => {
  const names = Array.from({ length: 60 }, (_, at) => `d${at}`)
  const entries = names.flatMap((name) => [
    directory(`${name}/`),
    ...Array.from({ length: 50 }, (_, at) => file(`${name}/f${at}`, `${name} ${at}\n`.repeat(at), { mtime: 1_500_000_000 + at })),
  ])
  await comesOutAsUmociHasIt(await makeImage({ layers: [layerOf(archive(...entries))] }), 'small:latest')
})

test('of an index the image of the platform asked for is brought, and of the others nothing', async () => {
  const s390x = { os: 'linux', architecture: 's390x' }
  const [ours, other] = await Promise.all(
    ['ours', 'other'].map((text, at) => makeImage({ layers: [layerOf(archive(file(text, text)))], ...(at === 1 && { platform: s390x }) })),
  )
  if (!ours || !other) throw new Error('two were made')
  const reference = await pushImage(
    registry,
    'index:latest',
    makeIndex([
      { platform: s390x, image: other },
      { platform: here, image: ours },
    ]),
  )
  await pull(reference, 'overlay')
  expect([...(await snapshotTree(node, ours)).keys()]).toEqual(['.', 'ours'])
  expect(await digests()).not.toContain(other.layers[0]?.descriptor.digest)

  await pull(reference, 'overlay', '--platform', 'linux/s390x')
  expect([...(await snapshotTree(node, other)).keys()]).toEqual(['.', 'other'])

  const none = await node.run('dist', ['pull', reference, '--platform', 'linux/riscv64'])
  expect(none).toMatchObject({ exitCode: 3, stderr: expect.stringContaining('linux/riscv64') })
  expect(none.stderr.trim().split('\n')).toHaveLength(1)
})

async function comesOutAsUmociHasIt(image: Image, name: string): Promise<void> {
  const reference = await pushImage(registry, name, image)
  const expected = await umociTree(image)
  for (const driver of drivers) {
    await pull(reference, driver)
    expect(treeDifference(expected, await snapshotTree(node, image, { driver }))).toEqual([])
  }
  expect(await remains(node)).toEqual([])
}

async function pull(reference: string, driver: string, ...more: string[]): Promise<void> {
  const { exitCode, stderr } = await node.run('dist', ['pull', reference, '--driver', driver, ...more])
  expect({ exitCode, stderr }).toEqual({ exitCode: 0, stderr: '' })
}

async function digests(): Promise<string[]> {
  return (await node.run('dist', ['list', '-q'])).stdout.trim().split('\n')
}
