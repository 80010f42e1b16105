import { mkdtemp } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, describe, expect, test } from 'vitest'
import { busyboxImage } from '../../ops/lab/images.ts'
import { treeDifference } from '../support/file-tree.ts'
import { startHostileRegistry } from '../support/hostile-registry.ts'
import { named, openLoop, whyNoLoop } from '../support/loop.ts'
import { startNode } from '../support/node.ts'
import { remains } from '../support/remains.ts'
import { richImage } from '../support/rich-image.ts'
import { serveImage } from '../support/served-image.ts'
import { snapshotTree } from '../support/snapshot-tree.ts'

const why = await whyNoLoop('btrfs')

describe.skipIf(why !== undefined)(named('a node on btrfs', why), async () => {
  if (why !== undefined) return
  const loop = await openLoop('btrfs')
  afterAll(() => loop[Symbol.asyncDispose]())

  test('an image comes out the same, whatever keeps its snapshots', async () => {
    await using registry = await startHostileRegistry()
    await using node = await startNode({ root: await mkdtemp(join(loop.path, 'root-')) })
    const { image } = await richImage()
    const reference = serveImage(registry, 'rich', image)
    for (const driver of ['overlay', 'btrfs', 'native'])
      expect(await node.run('dist', ['pull', '--driver', driver, reference])).toMatchObject({ exitCode: 0, stderr: '' })
    const tree = await snapshotTree(node, image, { driver: 'overlay' })
    expect(treeDifference(tree, await snapshotTree(node, image, { driver: 'btrfs' }))).toEqual([])
    expect(treeDifference(tree, await snapshotTree(node, image, { driver: 'native' }))).toEqual([])
    expect(await remains(node)).toEqual([])
  })

  test('a container runs on a subvolume, and its own is gone with it', async () => {
    await using registry = await startHostileRegistry()
    await using node = await startNode({
      root: await mkdtemp(join(loop.path, 'root-')),
      args: ['--set', 'snapshot.driver=btrfs'],
    })
    const reference = serveImage(registry, 'busybox', await busyboxImage())
    expect(await node.run('dist', ['pull', reference])).toMatchObject({ exitCode: 0, stderr: '' })
    const words = ['sh', '-c', 'echo written > /file && cat /file']
    const ran = await node.run('ctr', ['run', '--rm', '--id', 'one', reference, ...words])
    expect(ran).toMatchObject({ exitCode: 0, stdout: 'written\n' })
    expect((await node.run('ctr', ['snapshots', 'ls'])).stdout).toMatch(/^sha256:[^\n]*committed\tbtrfs[^\n]*\n$/)
    expect(await remains(node)).toEqual([])
  })
})
