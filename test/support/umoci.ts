/** umoci, a judge of its own: what it makes of an image is what the image is. */
import { execFileSync } from 'node:child_process'
import { join } from 'node:path'
import { type Image, type Index, writeLayout } from '../../ops/lab/images.ts'
import { fileTree } from './file-tree.ts'
import { tempDirectory } from './temp.ts'

/** Everything about the root file system umoci unpacks of an image. */
export async function umociTree(image: Image | Index): Promise<Map<string, string>> {
  await using directory = await tempDirectory()
  const [layout, root] = [join(directory.path, 'layout'), join(directory.path, 'root')]
  await writeLayout(layout, 'it', image)
  execFileSync('umoci', ['raw', 'unpack', '--image', `${layout}:it`, root], { stdio: ['ignore', 'ignore', 'pipe'] })
  return fileTree(root)
}
