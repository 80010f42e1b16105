import { mkdtemp, rmdir } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Client } from '../../messages/grammar/index.ts'
import type { snapshot } from '../../messages/snapshot.ts'
import { chainIds } from '../../messages/words/index.ts'
import type { Image } from '../../ops/lab/images.ts'
import { client } from '../../runtime/bus/client.ts'
import { mountAll } from '../../runtime/mounts.ts'
import { fileTree } from './file-tree.ts'
import type { RunningNode } from './node.ts'

/** Everything about the root file system a node has of an image that it pulled: its snapshot, mounted as a container would see it. */
export async function snapshotTree(node: RunningNode, image: Image, { driver }: { driver?: string } = {}): Promise<Map<string, string>> {
  await using bus = await node.connect()
  const snapshots: Client<typeof snapshot> = client<typeof snapshot>(bus, { node: node.name, actor: 'snapshot' })
  const of = { key: `look-${process.pid}`, ...(driver !== undefined && { driver }) }
  const { mounts } = await snapshots.view({ ...of, parent: chainIds(image.layers.map(({ diffId }) => diffId)).at(-1) ?? '' })
  const at = await mkdtemp(join(tmpdir(), 'gantry-look-'))
  try {
    await using _mounted = await mountAll(mounts, at)
    return fileTree(at)
  } finally {
    await rmdir(at)
    await snapshots.remove(of)
  }
}
